// A list of which only the rows in sight are in the document. Rows are as high as they say; some have a box below them.

import { h } from "./dom.js";

// Browsers cannot lay out elements much higher than this: above it the scroll bar moves in larger steps.
const HIGHEST = 12_000_000;
const BEYOND = 12;

export class List {
  #rows = new Uint32Array(0);
  #tops = new Float64Array(1);
  #made = new Map();
  #pool = [];
  #boxes = new Map();
  #frame = 0;
  #base = 0;
  #mark = 0;

  /** `row.make()`, `row.fill(made, row)`, `row.height(row)`; `onView` is told after each drawing, `onScroll` when a reader scrolls. */
  constructor({ label, head, make, fill, height, onView, onScroll }) {
    Object.assign(this, { make, fill, height, onView });
    this.layer = h("div", { class: "tr-layer", role: "rowgroup" });
    this.space = h("div", { class: "tr-space", role: "presentation" }, this.layer);
    this.element = h("div", { class: "tr-list", role: "treegrid", tabindex: "0", "aria-label": label, "aria-colcount": "2", "aria-readonly": "true" }, head, this.space);
    this.head = head;
    this.element.addEventListener("scroll", () => this.#schedule(), { passive: true });
    for (const event of ["wheel", "touchmove", "pointerdown"]) this.element.addEventListener(event, () => onScroll(), { passive: true });
    this.sizes = new ResizeObserver((entries) => this.#measured(entries));
    this.sizes.observe(this.element);
  }

  get rows() {
    return this.#rows;
  }

  indexOf(row) {
    // Looked up rarely: a search through the shown rows costs less than an index of all of them at every change.
    return this.#rows.indexOf(row);
  }

  /** The row in sight at the top, and how far it is from the top edge. */
  anchor() {
    const index = this.#at(this.#scrolled);
    return index < this.#rows.length ? { row: this.#rows[index], offset: this.#tops[index] - this.#scrolled } : null;
  }

  get #view() {
    return Math.max(0, this.element.clientHeight - this.head.offsetHeight);
  }

  get #total() {
    return this.#tops[this.#rows.length];
  }

  // The position in the whole list, in its own pixels.
  get #scrolled() {
    return this.#fromBar(this.element.scrollTop);
  }

  #fromBar(bar) {
    if (this.#total <= HIGHEST) return bar;
    return (bar / (HIGHEST - this.#view)) * (this.#total - this.#view);
  }

  #toBar(top) {
    if (this.#total <= HIGHEST) return top;
    return (top / (this.#total - this.#view)) * (HIGHEST - this.#view);
  }

  /** Shows other rows; the one at the top stays where it is on the screen, or the end stays in sight. */
  show(rows, { follow = false, parentOf = () => -1 } = {}) {
    const anchor = this.anchor();
    this.#rows = rows;
    this.#layout();
    this.#drawSpace();
    if (follow) this.element.scrollTop = this.space.offsetHeight;
    else if (anchor !== null) this.#restore(anchor, parentOf);
    this.draw();
  }

  #restore({ row, offset }, parentOf) {
    for (let at = row; at >= 0; at = parentOf(at)) {
      const index = this.#rows.indexOf(at);
      if (index < 0) continue;
      const bar = this.#toBar(this.#tops[index] - (at === row ? offset : 0));
      if (Math.abs(bar - this.element.scrollTop) >= 1) this.element.scrollTop = bar;
      return;
    }
  }

  #layout() {
    const rows = this.#rows;
    if (this.#tops.length < rows.length + 1) this.#tops = new Float64Array(Math.max(rows.length + 1, Math.min(this.#tops.length * 2, 2_000_000)));
    const tops = this.#tops;
    let top = 0;
    for (let i = 0; i < rows.length; i++) {
      tops[i] = top;
      top += this.height(rows[i]) + (this.#boxes.size > 0 ? (this.#boxes.get(rows[i])?.height ?? 0) : 0);
    }
    tops[rows.length] = top;
    this.element.setAttribute("aria-rowcount", String(rows.length));
  }

  #drawSpace() {
    const height = `${Math.min(this.#total, HIGHEST)}px`;
    if (this.space.style.height !== height) this.space.style.height = height;
  }

  // The index of the row at a position.
  #at(top) {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle + 1] <= top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #schedule() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw({ isScroll: true });
    });
  }

  /** Draws the rows in sight. While scrolling, rows that are drawn already only stay. */
  draw({ isScroll = false } = {}) {
    const scrolled = this.#scrolled;
    const shift = this.element.scrollTop - scrolled;
    // Positions are counted from nearby: very large ones are not exact in every browser.
    if (Math.abs(scrolled - this.#base) > 1_000_000) {
      this.#base = scrolled;
      isScroll = false;
    }
    this.layer.style.transform = `translateY(${this.#base + shift}px)`;
    const first = Math.max(0, this.#at(scrolled) - BEYOND);
    const last = Math.min(this.#rows.length, this.#at(scrolled + this.#view) + 1 + BEYOND);
    this.#mark += 1;
    const late = [];
    for (let index = first; index < last; index++) {
      const row = this.#rows[index];
      const made = this.#made.get(row);
      if (made === undefined) late.push(index);
      else {
        made.mark = this.#mark;
        if (!isScroll) this.#put(made, row, index);
      }
    }
    for (const [row, made] of this.#made) {
      if (made.mark === this.#mark) continue;
      if (made.box?.contains(document.activeElement)) {
        const index = this.#rows.indexOf(row);
        if (index >= 0) {
          this.#put(made, row, index);
          continue;
        }
      }
      this.#made.delete(row);
      this.#detach(made);
      this.#pool.push(made);
    }
    for (const index of late) {
      const row = this.#rows[index];
      const made = this.#pool.pop() ?? this.make();
      made.mark = this.#mark;
      this.#made.set(row, made);
      this.#put(made, row, index);
      if (made.element.parentNode === null) this.layer.append(made.element);
    }
    while (this.#pool.length > 0) this.#pool.pop().element.remove();
    this.onView(this.#rows.subarray(first, last));
  }

  #detach(made) {
    if (made.box) {
      made.box.remove();
      made.box = null;
    }
  }

  #put(made, row, index) {
    const top = this.#tops[index] - this.#base;
    made.element.style.transform = `translateY(${top}px)`;
    made.element.style.height = `${this.height(row)}px`;
    made.element.setAttribute("aria-rowindex", String(index + 1));
    this.fill(made, row);
    const box = this.#boxes.get(row);
    if (made.box && made.box !== box?.element) this.#detach(made);
    if (box !== undefined) {
      if (made.box !== box.element) {
        made.box = box.element;
        this.layer.append(box.element);
        this.sizes.observe(box.element);
      }
      box.element.style.transform = `translateY(${top + this.height(row)}px)`;
    }
  }

  // A box or the list itself got another size.
  #measured(entries) {
    let isChanged = false;
    for (const { target } of entries) {
      if (target === this.element) {
        isChanged = true;
        continue;
      }
      const row = Number(target.dataset.row);
      const box = this.#boxes.get(row);
      const height = target.offsetHeight;
      if (box === undefined || !target.isConnected || box.height === height) continue;
      box.height = height;
      isChanged = true;
    }
    if (isChanged) this.show(this.#rows);
  }

  /** The box below a row, or undefined. */
  boxOf(row) {
    return this.#boxes.get(row)?.element;
  }

  /** Puts a box below a row; without an element it is taken away. */
  setBox(row, content, height = 240) {
    const old = this.#boxes.get(row);
    if (old !== undefined) {
      this.sizes.unobserve(old.element);
      old.element.remove();
      this.#boxes.delete(row);
      const made = this.#made.get(row);
      if (made) made.box = null;
    }
    if (content !== null) {
      const element = h("div", { class: "tr-box-row", role: "row", data: { row } }, h("div", { class: "tr-box-cell", role: "gridcell", "aria-colspan": "2" }, content));
      this.#boxes.set(row, { element, height });
    }
    this.show(this.#rows);
  }

  /** Brings a row into sight; `where` is `nearest` or `center`. */
  reveal(row, where = "nearest") {
    const index = this.#rows.indexOf(row);
    if (index < 0) return false;
    const top = this.#tops[index];
    const bottom = top + this.height(row);
    const scrolled = this.#scrolled;
    let target = null;
    if (where === "center") target = top - (this.#view - this.height(row)) / 2;
    else if (top < scrolled) target = top;
    else if (bottom > scrolled + this.#view) target = bottom - this.#view;
    if (target !== null) this.element.scrollTop = this.#toBar(Math.max(0, target));
    this.draw();
    return true;
  }
}
