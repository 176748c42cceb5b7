// Traces made up for tests of the trace page: rows in the wire format of `…/outline`, and answers to everything else it asks.

import { FLAG } from "../../../functions/web/assets/trace/model.js";

export const NONE = 0xffffffff;
const HEADER = 40;
const MOST_ROWS = 60_000;

/** Encodes rows `{row, id, parent, start, end, received, name, flags, logs, children}`; bits: 1 finished, 2 reset, 4 more. */
export function encode({ rows, first = 0, total = rows.length, names = [], firstName = 0, origin = 1_750_000_000_000, cursor = 1, bits = 1 }) {
  const texts = names.map((name) => Buffer.from(name, "utf8"));
  const bytes = Buffer.alloc(HEADER + rows.length * 56 + texts.reduce((sum, text) => sum + 4 + text.length, 0));
  bytes.write("QTO1", 0, "latin1");
  [rows.length, first, total, names.length, firstName].forEach((number, index) => bytes.writeUInt32LE(number, 4 + index * 4));
  bytes.writeDoubleLE(origin, 24);
  bytes.writeUInt32LE(cursor, 32);
  bytes.writeUInt32LE(bits >>> 0, 36);
  let at = HEADER;
  for (const column of ["start", "end", "received"]) for (const row of rows) at = bytes.writeDoubleLE(row[column] ?? Number.NaN, at);
  for (const of of [(row) => row.row, (row) => Number.parseInt(row.id.slice(0, 8), 16), (row) => Number.parseInt(row.id.slice(8), 16), (row) => row.parent ?? NONE, (row) => row.name, (row) => row.flags >>> 0, (row) => row.logs ?? 0, (row) => row.children ?? 0]) {
    for (const row of rows) at = bytes.writeUInt32LE(of(row), at);
  }
  for (const text of texts) at = bytes.writeUInt32LE(text.length, at);
  for (const text of texts) at += text.copy(bytes, at);
  return bytes;
}

/** A trace in memory that answers as the server does. */
export class FakeTrace {
  constructor(id = "0123456789abcdef0123456789abcdef") {
    this.id = id;
    this.rows = [];
    this.names = [];
    this.known = new Map();
    this.origin = 1_750_000_000_000;
    this.cursor = 1;
    this.isFinished = true;
    this.changed = new Map();
    this.logs = new Map();
    this.messages = new Map();
    this.calls = new Map();
    this.attributes = new Map();
    this.metrics = new Map();
    this.resumes = new Map();
    this.hits = [];
    this.critical = [];
  }

  name(text) {
    if (!this.known.has(text)) {
      this.known.set(text, this.names.length);
      this.names.push(text);
    }
    return this.known.get(text);
  }

  /** Adds a span and gives its row number. */
  add(name, { parent = NONE, start = 0, end = start + 1, flags = 0, logs = 0, received = end ?? start } = {}) {
    const row = this.rows.length;
    const isEnded = end !== null && !Number.isNaN(end);
    this.rows.push({ row, id: (0x1000000000000000n + BigInt(row)).toString(16), parent, start, end: isEnded ? end : Number.NaN, received, name: this.name(name), flags: flags | (isEnded ? FLAG.ENDED : 0), logs, children: 0 });
    if (parent !== NONE && this.rows[parent]) this.rows[parent].children += 1;
    this.changed.set(row, ++this.cursor);
    return row;
  }

  change(row, fields) {
    Object.assign(this.rows[row], fields);
    this.changed.set(row, ++this.cursor);
  }

  outline(query) {
    const finished = this.isFinished ? 1 : 0;
    const held = Number(query.get("names") ?? 0);
    if (query.has("after")) {
      const after = Number(query.get("after"));
      const rows = this.rows.filter(({ row }) => this.changed.get(row) > after);
      return encode({ rows, total: this.rows.length, names: this.names.slice(held), firstName: held, origin: this.origin, cursor: this.cursor, bits: finished });
    }
    const first = Number(query.get("from") ?? 0);
    const rows = this.rows.slice(first, first + MOST_ROWS);
    const more = first + rows.length < this.rows.length ? 4 : 0;
    return encode({ rows, first, total: this.rows.length, names: this.names.slice(held), firstName: held, origin: this.origin, cursor: this.cursor, bits: finished | more | (first === 0 ? 2 : 0) });
  }

  span(row) {
    const { id, parent, start, end, name, flags } = this.rows[row];
    const time = (offset) => new Date(this.origin + offset).toISOString();
    return {
      row, id, parent: parent === NONE ? null : this.rows[parent].id, name: this.names[name], kind: "internal",
      call: this.calls.get(row) ?? null,
      status: { code: flags & FLAG.ERROR ? "error" : "unset", message: this.messages.get(row) ?? "" },
      start: time(start), end: Number.isNaN(end) ? null : time(end),
      attributes: this.attributes.get(row) ?? [["process.pid", 42]],
      events: this.events?.get(row) ?? [], links: this.links?.get(row) ?? [], scope: { name: "dagger.io/engine", version: "" }, resource: [["service.name", "dagger-engine"]], dropped: { attributes: 3, events: 0, links: 0 },
      cache: flags & FLAG.CACHED ? { outcome: "hit", reason: "the same recipe" } : null, metrics: this.metrics.has(row), resumes: this.resumes.get(row) ?? null,
    };
  }

  /** The answer to a path below the trace, or null. */
  answer(path, query) {
    const byId = (id) => this.rows.findIndex((row) => row.id === id);
    switch (path) {
      case "outline": return { type: "application/octet-stream", body: this.outline(query) };
      case "spans": return this.#json({ spans: query.get("rows").split(",").map((row) => this.span(Number(row))) });
      case "logs": {
        const records = this.logs.get(byId(query.get("span"))) ?? [];
        const after = Number(query.get("after") ?? 0);
        const page = records.slice(after, after + Number(query.get("limit")));
        return this.#json({ records: page, next: String(after + page.length), total: records.length });
      }
      case "metrics": return this.#json({ series: this.metrics.get(byId(query.get("span"))) ?? [] });
      case "search": return this.#json({ hits: this.hits, searched: 2, of: 2, next: null });
      case "insight": return this.#json({ state: "failed", errors: this.origins ?? [], checks: [], tests: [], critical: this.critical });
      case "download": return { type: "application/x-ndjson", body: query.has("after") ? '{"page":2}\n' : '{"page":1}\n', headers: query.has("after") ? {} : { "x-next": "2" } };
      default: return null;
    }
  }

  #json(value) {
    return { type: "application/json", body: JSON.stringify(value) };
  }
}

/** A failed run of some hundred spans with every hint of Dagger's. */
export function failedRun() {
  const trace = new FakeTrace();
  const root = trace.add("dagger call test", { start: 0, end: 94_000, flags: FLAG.CLI | FLAG.ROOT | FLAG.ERROR });
  trace.add("connect", { parent: root, start: 10, end: 1300, flags: FLAG.ENCAPSULATE });
  trace.add("starting engine", { parent: 1, start: 20, end: 700, flags: FLAG.ENCAPSULATED });
  trace.add("creating client", { parent: 1, start: 700, end: 1290, flags: FLAG.INTERNAL });
  const load = trace.add("load module", { parent: root, start: 1300, end: 9000 });
  const pass = trace.add("passes through", { parent: load, start: 1300, end: 9000, flags: FLAG.PASSTHROUGH });
  for (let i = 0; i < 20; i++) trace.add(`ModuleSource.dependency${i}`, { parent: pass, start: 1300 + i * 300, end: 1700 + i * 300, flags: FLAG.CALL | (i % 3 === 0 ? FLAG.CACHED : FLAG.EXECUTED) });
  const test = trace.add("Hello.test", { parent: root, start: 9000, end: 93_900, flags: FLAG.CALL | FLAG.ERROR | FLAG.BOUNDARY });
  const from = trace.add("Container.from", { parent: test, start: 9100, end: 14_000, flags: FLAG.CALL | FLAG.CACHED });
  trace.calls.set(from, { receiver: "Container", field: "from", args: [["address", '"golang:1.25"']], type: "Container" });
  const exec = trace.add("Container.withExec", { parent: test, start: 20_000, end: 93_800, flags: FLAG.CALL | FLAG.ERROR | FLAG.ERROR_ORIGIN | FLAG.EXECUTED | FLAG.METRICS, logs: 60 });
  trace.calls.set(exec, { receiver: "Container", field: "withExec", args: [["args", '["go", "test", "./..."]', '["go", "test", "./...", "-count=1", "-race", "-timeout=10m"]']], type: "Container" });
  trace.calls.set(test, { receiver: "Hello", field: "test", args: [], type: "String" });
  trace.messages.set(exec, 'process "go test ./..." did not complete successfully: exit code: 1\nstdout: lines');
  const revealed = trace.add("revealed deep inside", { parent: exec, start: 21_000, end: 30_000, flags: FLAG.REVEAL });
  trace.add("unit tests", { parent: test, start: 15_000, end: 19_000, flags: FLAG.CHECK | FLAG.CHECK_PASSED });
  trace.rows[revealed].note = "revealed";
  const records = [];
  for (let i = 0; i < 60; i++) records.push({ span: trace.rows[exec].id, time: trace.origin + 20_000 + i * 1000, stream: i % 7 === 0 ? 2 : 1, body: i % 5 === 0 ? `\u001b[32mok\u001b[0m  \tacme/pkg${i}\t0.${i}s\n` : i === 59 ? "\u001b[1;31m--- FAIL: TestSpelling\u001b[0m: recieve is not a word\n" : `=== RUN   Test${i}\n`, verbose: false, global: false, type: "" });
  records.push({ span: trace.rows[exec].id, time: trace.origin + 80_000, stream: 1, body: "10%\r50%\r100%\nsee \u001b]8;;https://example.com/docs\u0007the docs\u001b]8;;\u0007 and \u001b]8;;javascript:alert(1)\u0007not this\u001b]8;;\u0007\n", verbose: false, global: false, type: "" });
  trace.logs.set(exec, records);
  trace.metrics.set(exec, [{ name: "dagger.io/metrics.memory.current", unit: "byte", points: Array.from({ length: 40 }, (_, i) => [trace.origin + 20_000 + i * 1800, 5e7 + 4e7 * Math.sin(i / 4)]) }, { name: "dagger.io/metrics.cpustat.usage", unit: "us", points: Array.from({ length: 40 }, (_, i) => [trace.origin + 20_000 + i * 1800, i * i * 9000]) }]);
  trace.origins = [exec];
  trace.critical = [root, test, exec];
  trace.hits = [{ row: exec, where: "log", excerpt: "recieve is not a word" }];
  return { trace, root, load, pass, test, from, exec, revealed };
}

/** A trace of so many spans: a root, modules below it, calls below those, some failed, cached, internal. */
export function largeTrace(size) {
  const trace = new FakeTrace();
  const root = trace.add("dagger check", { start: 0, end: 3_600_000, flags: FLAG.CLI | FLAG.ROOT });
  let state = 7;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  while (trace.rows.length < size) {
    const start = random() * 3_500_000;
    const module = trace.add(`module ${trace.rows.length % 997}`, { parent: root, start, end: start + 90_000 });
    for (let i = 0; i < 100 && trace.rows.length < size; i++) {
      const at = start + i * 800;
      const call = trace.add(`Container.step${i % 37}`, { parent: module, start: at, end: at + 700, flags: FLAG.CALL | (i % 4 === 0 ? FLAG.CACHED : FLAG.EXECUTED), logs: i % 9 });
      for (let j = 0; j < 9 && trace.rows.length < size; j++) trace.add(j % 3 === 0 ? "internal step" : `exec ${j}`, { parent: call, start: at + j * 70, end: at + j * 70 + 60, flags: j % 3 === 0 ? FLAG.INTERNAL : 0 });
    }
  }
  return trace;
}
