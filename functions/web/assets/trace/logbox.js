// The box with a span's log: numbered lines, a filter, wrapping, copy, full screen, links to lines.

import { copy, h, outside, setText, sign } from "./dom.js";
import { clock, count, counted, exact } from "./format.js";
import { LogText, linkedRuns, markedRuns, matcher } from "./logs.js";

const PAGE = 5000;
const SHOWN = 5000;
const BLOCK = 100;
const MOST_PAGES = 40;
const DRAWN_EVERY = 10;

export class LogBox {
  #text = new LogText();
  #cursor = null;
  #held = 0;
  #isMore = true;
  #isBusy = false;
  #isStale = true;
  #shownFrom = 0;
  #filter = { find: null, error: null };
  #drawn = [];
  #wants = null;
  #life = new AbortController();
  dialog = null;

  /** `withDescendants`: the lines of everything below the span too. `nameOf(span id)` names where a line is from. */
  constructor(api, span, { withDescendants, nameOf, onLine, line = null }) {
    this.api = api;
    this.span = span;
    this.withDescendants = withDescendants;
    this.nameOf = nameOf;
    this.onLine = onLine;
    this.#wants = line;
    this.#build();
  }

  #build() {
    const toggle = (label, title, key) => {
      const button = h("button", { type: "button", class: "tr-switch", "aria-pressed": "false", title, text: label });
      button.addEventListener("click", () => {
        this[key] = !this[key];
        button.setAttribute("aria-pressed", String(this[key]));
        this.#refilter();
      });
      return button;
    };
    this.verbose = toggle("Verbose", "Show the lines too that are meant for verbose views", "isVerbose");
    this.verbose.hidden = true;
    this.input = h("input", { type: "search", class: "tr-log-filter", placeholder: "Filter lines", "aria-label": "Filter lines", spellcheck: "false", autocomplete: "off" });
    this.input.addEventListener("input", () => this.#refilter());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.input.value !== "") {
        this.input.value = "";
        this.#refilter();
        event.stopPropagation();
      }
    });
    this.note = h("span", { class: "tr-log-count", role: "status" });
    this.isWrapped = true;
    const wrap = h("button", { type: "button", class: "tr-switch", "aria-pressed": "true", title: "Wrap long lines", text: "Wrap" });
    wrap.addEventListener("click", () => {
      this.isWrapped = !this.isWrapped;
      wrap.setAttribute("aria-pressed", String(this.isWrapped));
      this.list.classList.toggle("nowrap", !this.isWrapped);
    });
    const label = h("span", { text: "Copy" });
    const copyButton = h("button", { type: "button", title: "Copy the lines that are shown" }, sign("copy"), label);
    copyButton.addEventListener("click", async () => {
      const isDone = await copy(this.#matching().map(({ line }) => line.text).join("\n") + "\n");
      label.textContent = isDone ? "Copied" : "Not copied";
      setTimeout(() => { label.textContent = "Copy"; }, 2000);
    });
    this.full = h("button", { type: "button", text: "Full screen", "aria-pressed": "false" });
    this.full.addEventListener("click", () => this.#toggleFull());
    this.list = h("div", { class: "log tr-log", role: "region", tabindex: "0", "aria-label": "Log lines" });
    this.list.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest("a[data-n]") : null;
      if (link === null) return;
      event.preventDefault();
      this.#choose(Number(link.dataset.n));
    });
    this.earlier = h("button", { type: "button", class: "tr-earlier", hidden: true });
    this.earlier.addEventListener("click", () => {
      this.#shownFrom = Math.max(0, this.#shownFrom - SHOWN);
      this.#redraw(false);
    });
    this.onward = h("button", { type: "button", class: "tr-earlier", text: "Read on", hidden: true, on: { click: () => this.load() } });
    this.problem = h("p", { class: "tr-problem", role: "alert", hidden: true });
    const head = h("div", { class: "tr-log-head" }, this.input, toggle("Aa", "Match case", "isCased"), toggle(".*", "Regular expression", "isRegex"), this.note, h("span", { class: "grow" }), this.verbose, toggle("Times", "Show when each line was written", "isTimed"), wrap, copyButton, this.full);
    this.element = h("div", { class: "tr-log-box" }, head, this.problem, this.earlier, this.list, this.onward);
  }

  /** Reads what is new; again while the span runs. */
  async load({ again = false } = {}) {
    if (this.#isBusy || (!this.#isMore && !again)) return;
    this.#isBusy = true;
    this.problem.hidden = true;
    try {
      for (let page = 1; ; page++) {
        const answer = await this.api.json("logs", { span: this.span, descendants: this.withDescendants ? 1 : 0, after: this.#cursor, limit: PAGE }, { signal: this.#life.signal });
        // Without a cursor for what comes next the page is asked for again later, and what is held of it is skipped.
        const fresh = answer.records.slice(this.#held);
        this.#text.add(fresh);
        this.#isStale ||= fresh.length > 0;
        const hasNext = answer.next !== null && answer.next !== undefined && answer.next !== this.#cursor;
        if (hasNext) this.#cursor = answer.next;
        this.#held = hasNext ? 0 : answer.records.length;
        this.#isMore = hasNext && answer.records.length >= PAGE;
        const isLast = !this.#isMore || page === MOST_PAGES;
        // To draw takes longer than to read: of a long log some stages are shown.
        if (this.#isStale && (isLast || page % DRAWN_EVERY === 1)) this.#redraw(true);
        if (isLast) break;
      }
    } catch (error) {
      if (this.#life.signal.aborted) return;
      if (this.#isStale) this.#redraw(true);
      this.#explain(error);
    } finally {
      this.#isBusy = false;
      this.onward.hidden = !this.#isMore;
    }
  }

  #explain(error) {
    const retry = h("button", { type: "button", text: "Try again" });
    retry.addEventListener("click", () => this.load({ again: true }));
    this.problem.replaceChildren(`The log cannot be read: ${error.message}. `, retry);
    this.problem.hidden = false;
  }

  #refilter() {
    this.#filter = matcher(this.input.value, { isRegex: this.isRegex, isCased: this.isCased });
    this.input.setAttribute("aria-invalid", String(this.#filter.error !== null));
    this.input.title = this.#filter.error ?? "";
    this.#drawn = [];
    this.#redraw(false);
  }

  #matching() {
    const { lines, dropped } = this.#text;
    const { find } = this.#filter;
    const found = [];
    for (let i = 0; i < lines.length; i++) {
      if (lines[i].source.isVerbose && !this.isVerbose) continue;
      const marks = find === null ? [] : find(lines[i].text);
      if (find === null || marks.length > 0) found.push({ line: lines[i], number: dropped + i + 1, marks });
    }
    return found;
  }

  // Draws what differs from what is drawn: blocks of lines that the browser skips while they are out of sight.
  #redraw(isNew) {
    const { lines, dropped, hasVerbose } = this.#text;
    this.#isStale = false;
    if (this.#wants !== null && !this.isVerbose && lines[this.#wants - dropped - 1]?.source.isVerbose) return this.verbose.click();
    this.verbose.hidden = !hasVerbose;
    const all = this.#matching();
    const total = dropped + lines.length;
    if (isNew || this.#shownFrom > all.length) this.#shownFrom = Math.max(0, all.length - SHOWN);
    if (this.#wants !== null) this.#shownFrom = Math.max(0, Math.min(this.#shownFrom, all.findIndex(({ number }) => number >= this.#wants) - 50));
    const shown = all.slice(this.#shownFrom, this.#shownFrom + 2 * SHOWN);
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 8;
    this.list.classList.toggle("long", shown.length > 20 * BLOCK);
    this.#drawBlocks(shown);
    if (isNew && isAtEnd && this.#wants === null) this.#scrollToEnd();
    this.earlier.hidden = this.#shownFrom === 0;
    setText(this.earlier, `Show ${counted(Math.min(SHOWN, this.#shownFrom), "earlier line")}`);
    const isFiltered = this.#filter.find !== null || all.length < lines.length;
    const words = this.#filter.error ?? (isFiltered ? `${count(all.length)} of ${counted(total, "line")}` : counted(total, "line"));
    const left = dropped > 0 ? `, the first ${count(dropped)} left out` : "";
    setText(this.note, words + left);
    this.note.classList.toggle("wrong", this.#filter.error !== null);
    if (total === 0 && !this.#isMore) this.list.replaceChildren(h("p", { class: "absence", text: "Nothing was written." }));
    if (this.#wants !== null && this.#wants <= total) this.#choose(this.#wants, false);
    return undefined;
  }

  // Once more after the browser measured the last lines, which it does when they come into sight.
  #scrollToEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    requestAnimationFrame(() => { this.list.scrollTop = this.list.scrollHeight; });
  }

  #drawBlocks(shown) {
    const blocks = Math.ceil(shown.length / BLOCK);
    for (let block = 0; block < blocks; block++) {
      const lines = shown.slice(block * BLOCK, (block + 1) * BLOCK);
      const key = `${lines[0].number}/${lines.length}/${lines.at(-1).number}/${lines.at(-1).line.text.length}/${lines.at(-1).line.text}`;
      if (this.#drawn[block]?.key === key && block < blocks - 2) continue;
      const element = h("ol", { class: "tr-block", start: lines[0].number }, ...lines.map((entry) => this.#drawLine(entry)));
      if (this.#drawn[block]?.element.parentNode === this.list) this.#drawn[block].element.replaceWith(element);
      else this.list.append(element);
      this.#drawn[block] = { key, element };
    }
    for (const { element } of this.#drawn.splice(blocks)) element.remove();
    for (const child of [...this.list.children]) if (!this.#drawn.some(({ element }) => element === child)) child.remove();
  }

  #drawLine({ line, number, marks }) {
    const code = h("code", { data: this.isTimed ? { time: clock(line.time) } : {} });
    for (const run of markedRuns(linkedRuns(line.runs), marks)) {
      const inner = run.href === null || run.href === undefined ? document.createTextNode(run.text) : outside(run.text, run.href);
      if (run.className === "" && !run.isMarked) code.append(inner);
      else code.append(h(run.isMarked ? "mark" : "span", { class: run.className }, inner));
    }
    if (line.cut > 0) code.append(h("span", { class: "tr-cut", text: ` … ${count(line.cut)} more characters` }));
    const origin = this.withDescendants && line.source.span !== null && line.source.span !== this.span ? this.nameOf(line.source.span) : null;
    const classes = `${line.source.stream === 2 ? "stderr" : ""}${number === this.chosen ? " chosen" : ""}`;
    const title = [exact(line.time), line.source.stream === 2 ? "stderr" : null, origin].filter(Boolean).join(" · ");
    return h("li", { class: classes, data: { line: number } }, h("a", { href: `#L${number}`, tabindex: "-1", "aria-label": `Link to line ${number}`, title, data: { n: number } }), code);
  }

  // Marks a line and puts it in the address.
  #choose(number, isAsked = true) {
    this.#wants = null;
    this.chosen = number;
    for (const old of this.list.querySelectorAll(".chosen")) old.classList.remove("chosen");
    const line = this.list.querySelector(`[data-line="${number}"]`);
    line?.classList.add("chosen");
    if (!isAsked && line) this.list.scrollTop += line.getBoundingClientRect().top - this.list.getBoundingClientRect().top - 60;
    if (isAsked) this.onLine(number);
  }

  // A dialog of its own covers the page, keeps the focus and closes on Escape; the log moves into it and back.
  #toggleFull() {
    if (this.dialog) return this.dialog.close();
    const home = this.element.parentNode;
    const next = this.element.nextSibling;
    const top = this.list.scrollTop;
    this.dialog = h("dialog", { class: "tr-full", "aria-label": "Log" }, this.element);
    this.full.setAttribute("aria-pressed", "true");
    document.body.append(this.dialog);
    this.dialog.addEventListener("close", () => {
      const bottom = this.list.scrollTop;
      home.insertBefore(this.element, next);
      this.dialog.remove();
      this.dialog = null;
      this.full.setAttribute("aria-pressed", "false");
      this.list.scrollTop = bottom;
      this.full.focus({ preventScroll: true });
    });
    this.dialog.showModal();
    this.list.scrollTop = top;
    this.list.focus();
    return undefined;
  }

  /** Stops reading, and leaves the full screen. */
  dispose() {
    this.#life.abort();
    this.dialog?.close();
  }
}
