// The time that the page shows: that of the largest root, or of the span that the reader zoomed into, with its axis.

import { h } from "./dom.js";
import { duration, ticks } from "./format.js";

export class TimeFrame {
  constructor() {
    this.axis = h("span", { class: "tr-axis", role: "columnheader" });
    this.zoomed = -1;
    [this.at, this.from, this.to] = [0, 0, 1];
  }

  /** Fits it to what is known as of `now`, an offset to the earliest start. While a run goes on it grows in steps, so that bars stay put. */
  fit(model, tree, now) {
    this.at = now;
    if (this.zoomed >= 0 && this.zoomed < model.size) {
      this.from = model.start[this.zoomed];
      this.to = Math.max(model.endOf(this.zoomed, this.at), this.from + 0.001);
      return;
    }
    let main = -1;
    for (const root of tree.roots) if (main < 0 || tree.below(root) > tree.below(main)) main = root;
    if (main < 0) {
      [this.from, this.to] = [0, 1];
      return;
    }
    let [from, to] = [model.start[main], model.endOf(main, this.at)];
    const slack = Math.max(600_000, 2 * (to - from));
    for (const root of tree.roots) {
      const [start, end] = [model.start[root], model.endOf(root, this.at)];
      // A clock that is far off shall not make everything else a hair.
      if (start < from && start > from - slack) from = start;
      if (end > to && end < to + slack) to = end;
    }
    if (!model.isFinished && model.isOpenEnded(main)) {
      const kept = this.to - this.from;
      to = this.from === from && kept > to - from ? this.to : from + (to - from) * 1.2 + 1000;
    }
    [this.from, this.to] = [from, Math.max(to, from + 0.001)];
  }

  draw() {
    const most = Math.max(2, Math.min(8, Math.floor(this.axis.clientWidth / 90)));
    const span = this.to - this.from;
    this.axis.replaceChildren(
      h("span", { class: "sr", text: "Time" }),
      ...ticks(0, span, most).map((at) => {
        const tick = h("span", { class: "tr-tick", text: duration(at) });
        tick.style.left = `${((at / span) * 100).toFixed(3)}%`;
        return tick;
      }),
    );
  }
}
