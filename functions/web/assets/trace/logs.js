// Log records, which are writes of programs, as lines; and which of the lines a filter lets through.

import { Terminal } from "./ansi.js";

/** More lines than this are not held; the first ones go. */
export const MOST_LINES = 200_000;

export class LogText {
  constructor() {
    this.lines = [];
    this.dropped = 0;
    this.hasVerbose = false;
    this.terminals = new Map();
  }

  /** Takes records in, in their order. A span's two streams are two programs' screens. */
  add(records) {
    for (const record of records) {
      const body = typeof record.body === "string" ? record.body : record.body === null || record.body === undefined ? "" : JSON.stringify(record.body);
      if (body === "") continue;
      const isVerbose = record.verbose === true;
      this.hasVerbose ||= isVerbose;
      const key = `${record.span ?? ""}/${record.stream ?? 0}/${isVerbose}`;
      let terminal = this.terminals.get(key);
      if (terminal === undefined) {
        const source = { span: record.span ?? null, stream: record.stream ?? 0, isVerbose };
        terminal = new Terminal(source, (line) => {
          line.time = this.time;
          this.lines.push(line);
        });
        this.terminals.set(key, terminal);
      }
      this.time = record.time;
      terminal.write(body);
    }
    if (this.lines.length > MOST_LINES) {
      const over = this.lines.length - MOST_LINES;
      this.lines.splice(0, over);
      this.dropped += over;
    }
  }
}

/** What a filter's text means: a test of a line's text, or a message about what is wrong with it. */
export function matcher(text, { isRegex = false, isCased = false } = {}) {
  if (text === "") return { find: null, error: null };
  if (isRegex) {
    let pattern;
    try {
      pattern = new RegExp(text, isCased ? "gu" : "giu");
    } catch (error) {
      return { find: null, error: `not a regular expression: ${String(error.message).split(": ").at(-1)}` };
    }
    return { find: (line) => allOf(pattern, line), error: null };
  }
  const wanted = isCased ? text : text.toLowerCase();
  return {
    find: (line) => {
      const searched = isCased ? line : line.toLowerCase();
      const found = [];
      for (let at = searched.indexOf(wanted); at >= 0 && found.length < 100; at = searched.indexOf(wanted, at + wanted.length)) found.push([at, at + wanted.length]);
      return found;
    },
    error: null,
  };
}

// Long lines are searched in their beginning: a pattern that backtracks shall not stop the page.
function allOf(pattern, line) {
  const found = [];
  pattern.lastIndex = 0;
  const searched = line.length > 2000 ? line.slice(0, 2000) : line;
  for (let match = pattern.exec(searched); match !== null && found.length < 100; match = pattern.exec(searched)) {
    found.push([match.index, match.index + match[0].length]);
    if (match[0] === "") pattern.lastIndex += 1;
  }
  return found;
}

// Addresses that programs print as they are.
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\x00-\x1f\x7f]+/g;

/** The runs of a line with the addresses in them cut out as links. What ends a sentence, or closes a bracket around one, is not its part. */
export function linkedRuns(runs) {
  if (!runs.some(({ text }) => text.includes("://"))) return runs;
  const linked = [];
  for (const run of runs) {
    let at = 0;
    for (const { index, 0: found } of run.href ? [] : run.text.matchAll(ADDRESS)) {
      let address = found.replace(/[.,;:!?]+$/, "");
      for (const [open, close] of ["()", "[]", "{}"]) if (address.endsWith(close) && !address.includes(open)) address = address.slice(0, -1);
      if (index > at) linked.push({ ...run, text: run.text.slice(at, index) });
      linked.push({ ...run, text: address, href: address });
      at = index + address.length;
    }
    if (at < run.text.length) linked.push({ ...run, text: run.text.slice(at) });
  }
  return linked;
}

/** The runs of a line, cut where marks begin and end. */
export function markedRuns(runs, marks) {
  if (marks.length === 0) return runs;
  const cut = [];
  let at = 0;
  for (const run of runs) {
    const end = at + run.text.length;
    let from = at;
    for (const [first, last] of marks) {
      const begin = Math.max(first, from);
      const stop = Math.min(last, end);
      if (begin >= stop) continue;
      if (begin > from) cut.push({ ...run, text: run.text.slice(from - at, begin - at) });
      cut.push({ ...run, text: run.text.slice(begin - at, stop - at), isMarked: true });
      from = stop;
    }
    if (from < end) cut.push({ ...run, text: run.text.slice(from - at) });
    at = end;
  }
  return cut;
}
