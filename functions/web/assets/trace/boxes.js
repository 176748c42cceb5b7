// The boxes that are open below rows: their logs, details and metrics.

import { SpanBox } from "./box.js";
import { FLAG } from "./model.js";

export class Boxes {
  #open = new Map();

  constructor(page) {
    this.page = page;
  }

  /** The rows with a box, each with the tab that it shows. */
  tabs() {
    return [...this.#open].map(([row, box]) => [row, box.tab]);
  }

  toggle(row, tab) {
    if (row < 0) return;
    const box = this.#open.get(row);
    if (box === undefined) this.open(row, tab);
    else if (tab !== undefined && box.tab !== tab && box.buttons.has(tab)) box.open(tab);
    else this.close(row);
  }

  open(row, tab, line = null) {
    const { model, list } = this.page;
    if (this.#open.has(row)) {
      if (line === null && (tab === undefined || this.#open.get(row).tab === tab)) return;
      this.close(row);
    }
    const box = new SpanBox(this.page, row, { tab: tab ?? (model.logs[row] > 0 || model.has(row, FLAG.ROLLUP_LOGS) ? "logs" : "details"), line });
    this.#open.set(row, box);
    list.setBox(row, box.element);
  }

  close(row) {
    const { list } = this.page;
    const box = this.#open.get(row);
    if (box === undefined) return;
    const hadFocus = box.element.contains(document.activeElement);
    box.dispose();
    this.#open.delete(row);
    list.setBox(row, null);
    if (hadFocus) list.element.focus({ preventScroll: true });
  }

  closeAll() {
    for (const row of [...this.#open.keys()]) this.close(row);
  }

  /** Ends what is under way in all of them, where the page itself ends. */
  dispose() {
    for (const box of this.#open.values()) box.dispose();
  }

  /** Brings them up to date: a box while its span runs, and once more after it ended. */
  refresh() {
    const { model } = this.page;
    for (const [row, box] of this.#open) {
      const isLive = model.isOpenEnded(row) && !model.isFinished;
      if (isLive || box.wasLive) box.refresh();
      box.wasLive = isLive;
    }
  }
}
