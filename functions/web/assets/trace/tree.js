// Which rows are shown, below which others, and which of them are open: the hints of the spans, made a tree.
//
// Internal rows are left out with what is in them, pass-through rows are replaced by their children, revealed rows move up to the
// next boundary; an error, a check, a test or a row that somebody asked for is never left out.

import { FLAG } from "./model.js";
import { NONE } from "./wire.js";

const TOP = -1;
const HIDDEN = -2;
const UNKNOWN = -3;
const BUSY = -4;

/** What is in a row's subtree. */
export const INSIDE = { FAILURE: 1, RUNNING: 2 };

/** What a reader did to a row. */
export const OPENED = 1;
export const CLOSED = 2;

const KEPT = FLAG.ERROR_ORIGIN | FLAG.CHECK | FLAG.TEST;

export class Tree {
  /** `showsAll`: internal and pass-through rows too. `wanted`: rows that are shown whatever their hints are. */
  constructor(model, { showsAll = false, wanted = new Set() } = {}) {
    this.model = model;
    this.showsAll = showsAll;
    this.size = model.size;
    this.#keep(wanted);
    this.#place(wanted);
    this.#group();
    this.#walk();
  }

  // Marks rows that must be reachable, and all above them.
  #keep(wanted) {
    const { model, size } = this;
    const kept = (this.kept = new Uint8Array(size));
    const up = (row) => {
      for (let at = row, steps = 0; at < size && kept[at] === 0 && steps <= size; at = model.parent[at], steps++) kept[at] = 1;
    };
    if (this.showsAll) return;
    for (let row = 0; row < size; row++) if ((model.flags[row] & KEPT) !== 0) up(row);
    for (const row of wanted) up(row);
  }

  // The parent under which each row is shown: a row, TOP or HIDDEN.
  #place(wanted) {
    const { model, size, kept, showsAll } = this;
    const above = (this.above = new Int32Array(size).fill(UNKNOWN));
    // The row up to which a revealed one goes.
    const limit = new Int32Array(size).fill(TOP);
    const isTop = (row) => model.parent[row] === NONE;
    const passes = (this.passes = (row) => !showsAll && (model.flags[row] & FLAG.PASSTHROUGH) !== 0 && !isTop(row) && !wanted.has(row));
    const placeBelow = (row, parent) => {
      limit[row] = isTop(parent) || (model.flags[parent] & FLAG.BOUNDARY) !== 0 ? parent : limit[parent];
      const isLeftOut = !showsAll && (model.flags[row] & FLAG.INTERNAL) !== 0 && kept[row] === 0 && !passes(row);
      if (isLeftOut) above[row] = HIDDEN;
      else if (passes(parent)) above[row] = above[parent];
      else above[row] = above[parent] === HIDDEN ? HIDDEN : parent;
    };
    const chain = [];
    for (let row = 0; row < size; row++) {
      if (above[row] !== UNKNOWN) continue;
      if (model.known[row] === 0) {
        above[row] = HIDDEN;
        continue;
      }
      let at = row;
      for (;;) {
        const parent = model.parent[at];
        above[at] = BUSY;
        if (parent === NONE || parent === at) {
          above[at] = TOP;
          break;
        }
        // The parent is not there yet: it comes with the next answer.
        if (parent >= size || model.known[parent] === 0) {
          above[at] = HIDDEN;
          break;
        }
        if (above[parent] === BUSY) {
          above[at] = TOP;
          break;
        }
        chain.push(at);
        if (above[parent] !== UNKNOWN) {
          at = -1;
          break;
        }
        at = parent;
      }
      while (chain.length > 0) {
        const next = chain.pop();
        placeBelow(next, model.parent[next]);
      }
    }
    if (showsAll) return;
    for (let row = 0; row < size; row++) {
      if ((model.flags[row] & FLAG.REVEAL) === 0 || model.known[row] === 0 || limit[row] < 0 || passes(row)) continue;
      if ((model.flags[row] & FLAG.INTERNAL) !== 0 && kept[row] === 0) continue;
      const target = passes(limit[row]) ? above[limit[row]] : limit[row];
      if (target >= 0 && above[target] !== HIDDEN) above[row] = target;
    }
  }

  // Children of each row in one array, ordered by start; the roots are the last group.
  #group() {
    const { model, size, above, passes } = this;
    const first = (this.first = new Uint32Array(size + 2));
    const groupOf = (row) => (above[row] === HIDDEN || passes(row) ? -1 : above[row] === TOP ? size : above[row]);
    let hidden = 0;
    for (let row = 0; row < size; row++) {
      const group = groupOf(row);
      if (group < 0) hidden += model.known[row];
      else first[group + 1] += 1;
    }
    this.hidden = hidden;
    for (let i = 0; i <= size; i++) first[i + 1] += first[i];
    const kids = (this.kids = new Uint32Array(first[size + 1]));
    const next = first.slice();
    for (let row = 0; row < size; row++) {
      const group = groupOf(row);
      if (group >= 0) kids[next[group]++] = row;
    }
    const { start, flags } = model;
    const before = (a, b) => (flags[b] & FLAG.REVEAL) - (flags[a] & FLAG.REVEAL) || start[a] - start[b] || a - b;
    for (let group = 0; group <= size; group++) {
      const end = first[group + 1];
      for (let i = first[group] + 1; i < end; i++) {
        if (before(kids[i - 1], kids[i]) <= 0) continue;
        kids.subarray(first[group], end).sort(before);
        break;
      }
    }
  }

  // Depth first: the order of all rows that can be shown, where each subtree ends, and what is in it.
  #walk() {
    const { model, size, first, kids, above } = this;
    const count = kids.length;
    const order = (this.order = new Uint32Array(count));
    const depth = (this.depth = new Uint32Array(size));
    const at = (this.at = new Int32Array(size).fill(-1));
    const place = (this.slot = new Uint32Array(size));
    const end = (this.end = new Uint32Array(size));
    const inside = (this.inside = new Uint8Array(size));
    const next = first.slice();
    let placed = 0;
    let group = size;
    for (;;) {
      if (next[group] < first[group + 1]) {
        const slot = next[group]++;
        const row = kids[slot];
        place[row] = slot;
        at[row] = placed;
        depth[row] = group === size ? 0 : depth[group] + 1;
        order[placed++] = row;
        group = row;
        continue;
      }
      if (group === size) break;
      end[group] = placed;
      group = above[group] < 0 ? size : above[group];
    }
    this.count = placed;
    this.failures = 0;
    for (let i = placed - 1; i >= 0; i--) {
      const row = order[i];
      const parent = above[row];
      if ((model.flags[row] & FLAG.ERROR_ORIGIN) !== 0) this.failures += 1;
      if (parent < 0) continue;
      let marks = inside[row];
      if ((model.flags[row] & FLAG.ERROR_ORIGIN) !== 0 || model.isFailed(row)) marks |= INSIDE.FAILURE;
      if (model.isOpenEnded(row)) marks |= INSIDE.RUNNING;
      inside[parent] |= marks;
    }
  }

  isShown(row) {
    return row < this.size && this.at[row] >= 0;
  }

  /** The parent under which a row is shown, or -1. */
  parentOf(row) {
    return this.above[row] < 0 ? -1 : this.above[row];
  }

  childCount(row) {
    return this.first[row + 1] - this.first[row];
  }

  childrenOf(row) {
    return this.kids.subarray(this.first[row], this.first[row + 1]);
  }

  get roots() {
    return this.kids.subarray(this.first[this.size], this.first[this.size + 1]);
  }

  /** How many rows are below a row, at any depth. */
  below(row) {
    return this.end[row] - this.at[row] - 1;
  }

  /** Its place among its siblings, from 1, and how many they are. */
  position(row) {
    const group = this.above[row] < 0 ? this.size : this.above[row];
    return [this.slot[row] - this.first[group] + 1, this.first[group + 1] - this.first[group]];
  }

  /** From the root down to the row's parent. */
  ancestors(row) {
    const path = [];
    for (let at = this.parentOf(row); at >= 0; at = this.parentOf(at)) path.push(at);
    return path.reverse();
  }

  /** Whether a row's children are shown when no reader said anything: failures and what runs are open, successes folded. */
  isOpenByItself(row) {
    const { model } = this;
    if (this.above[row] < 0) return true;
    if (model.isFailed(row)) return (this.inside[row] & INSIDE.FAILURE) !== 0;
    if (model.isFinished || (model.flags[row] & FLAG.ENCAPSULATE) !== 0) return false;
    return model.isOpenEnded(row);
  }

  /** The rows to show, from top to bottom. `choices` is what the reader opened and closed, per row. */
  visible(choices) {
    const { order, count, end, first, above, model, showsAll } = this;
    const rows = new Uint32Array(count);
    let shown = 0;
    let i = 0;
    while (i < count) {
      const row = order[i];
      const parent = above[row];
      if (parent >= 0 && !showsAll && (model.flags[row] & FLAG.ENCAPSULATED) !== 0 && choices[parent] !== OPENED && !model.isFailed(parent) && this.kept[row] === 0) {
        i = end[row];
        continue;
      }
      rows[shown++] = row;
      const isOpen = first[row] < first[row + 1] && (choices[row] === OPENED || (choices[row] !== CLOSED && this.isOpenByItself(row)));
      i = isOpen ? i + 1 : end[row];
    }
    return rows.subarray(0, shown);
  }
}
