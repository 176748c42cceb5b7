// The box below a row: its log, its details, its metrics.

import { details, sparklines } from "./details.js";
import { h, plain } from "./dom.js";
import { duration } from "./format.js";
import { LogBox } from "./logbox.js";
import { FLAG } from "./model.js";
import { STATES } from "./row.js";

// Rows of one call whose metrics are shown.
const MOST_MEASURED = 20;
const TABS = { logs: "Log", details: "Details", metrics: "Metrics" };

export class SpanBox {
  /** `page` is the trace page: model, tree, api and ways to other rows. */
  constructor(page, row, { tab, line = null }) {
    this.page = page;
    this.row = row;
    this.line = line;
    const { model } = page;
    this.buttons = new Map();
    const bar = h("div", { class: "tr-tabs" });
    for (const [name, label] of Object.entries(TABS)) {
      if (name === "logs" && !page.hasLogs(row)) continue;
      if (name === "metrics" && model.measuredIn(row).length === 0) continue;
      const button = h("button", { type: "button", class: "tr-tab", "aria-pressed": "false", text: label, on: { click: () => this.open(name) } });
      this.buttons.set(name, button);
      bar.append(button);
    }
    bar.append(h("span", { class: "grow" }));
    bar.append(h("button", { type: "button", class: "tr-tab", text: "Zoom", title: "Show only this part of the time (f)", on: { click: () => page.zoom(row) } }));
    bar.append(h("button", { type: "button", class: "tr-tab tr-close", "aria-label": "Close", title: "Close (Enter)", text: "×", on: { click: () => page.boxes.close(row) } }));
    this.body = h("div", { class: "tr-box-body" });
    this.element = h("div", { class: "tr-box", role: "group", "aria-label": `About ${plain(model.nameOf(row))}` }, bar, this.body);
    this.open(this.buttons.has(tab) ? tab : "details");
  }

  open(name) {
    this.tab = name;
    for (const [known, button] of this.buttons) button.setAttribute("aria-pressed", String(known === name));
    this.log?.dispose();
    this.log = null;
    if (name === "logs") this.#openLog();
    else if (name === "details") this.#read("the span", async () => this.#details());
    else this.#read("the metrics", async () => sparklines(await this.#series()));
  }

  async #series() {
    const { api, model } = this.page;
    const answers = await Promise.all(model.measuredIn(this.row).slice(0, MOST_MEASURED).map((row) => api.json("metrics", { span: model.idOf(row) })));
    return answers.flatMap(({ series }) => series);
  }

  #openLog() {
    const { page, row } = this;
    const hasKids = page.tree.childCount(row) > 0;
    this.isDeep ??= page.model.has(row, FLAG.ROLLUP_LOGS) || page.model.logs[row] === 0;
    const show = () => {
      this.log?.dispose();
      this.log = new LogBox(page.api, page.model.idOf(row), {
        withDescendants: this.isDeep,
        nameOf: (id) => {
          const found = page.model.find(id);
          return found < 0 ? null : page.model.nameOf(found);
        },
        onLine: (line) => page.remember(row, line),
        line: this.line,
      });
      this.line = null;
      this.body.replaceChildren(...(hasKids ? [this.#deepSwitch(show)] : []), this.log.element);
      this.log.load();
    };
    show();
  }

  #deepSwitch(show) {
    const box = h("input", { type: "checkbox" });
    box.checked = this.isDeep;
    box.addEventListener("change", () => {
      this.isDeep = box.checked;
      show();
    });
    return h("label", { class: "tick tr-deep" }, box, " with the logs of everything below");
  }

  async #read(what, make) {
    this.body.replaceChildren(h("p", { class: "absence", text: "…" }));
    const tab = this.tab;
    try {
      const content = await make();
      if (this.tab === tab) this.body.replaceChildren(content);
    } catch (error) {
      if (this.tab !== tab) return;
      const retry = h("button", { type: "button", text: "Try again", on: { click: () => this.open(tab) } });
      this.body.replaceChildren(h("p", { class: "tr-problem", role: "alert" }, `${what} cannot be read: ${error.message}. `, retry));
    }
  }

  async #details() {
    const { page, row } = this;
    const { model, tree } = page;
    const span = await page.spans.whole(row);
    if (span === null) throw new Error("it is not there any more");
    this.stamp = model.flags[row];
    const took = model.endOf(row, page.now()) - model.start[row];
    return details(span, {
      stateWord: STATES[model.stateOf(row, page.now())].word,
      took: duration(took),
      selfTook: tree.childCount(row) > 0 ? duration(alone(page, row)) : null,
      go: (id) => page.goToId(id),
      nameOf: (id) => {
        const found = model.find(id);
        return found < 0 ? null : model.nameOf(found);
      },
      elsewhere: (link) => {
        if (!/^[0-9a-f]{32}$/.test(link.trace ?? "") || link.trace === page.trace) return null;
        return `${page.api.base.slice(0, page.api.base.lastIndexOf("/"))}/${link.trace}?span=${encodeURIComponent(link.span)}`;
      },
      excerpt: page.search.excerptOf(row),
      shareUrl: () => page.address(row),
    });
  }

  /** Brings in what came since: a running span goes on writing. */
  refresh() {
    if (this.tab === "logs") this.log.load({ again: true });
    else if (this.tab === "details" && this.stamp !== undefined && this.stamp !== this.page.model.flags[this.row]) this.open("details");
  }

  dispose() {
    this.log?.dispose();
  }
}

// The time of a span in which none of its children ran.
function alone(page, row) {
  const { model, tree } = page;
  const now = page.now();
  const start = model.start[row];
  const end = model.endOf(row, now);
  let covered = 0;
  let reached = start;
  for (const kid of [...tree.childrenOf(row)].sort((a, b) => model.start[a] - model.start[b])) {
    const from = Math.max(reached, model.start[kid]);
    const to = Math.min(end, model.endOf(kid, now));
    if (to <= from) continue;
    covered += to - from;
    reached = to;
  }
  return end - start - covered;
}
