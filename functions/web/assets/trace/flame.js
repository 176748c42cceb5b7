// The strip over the whole width: the first levels of the trace, red where it failed. A click zooms, and so does a row's key;
// the zoomed row's ancestors are the breadcrumb.

import { h, plain } from "./dom.js";
import { duration } from "./format.js";
import { FLAG } from "./model.js";
import { INSIDE } from "./tree.js";

/** How deep the strip goes, and how high it gets where spans run beside each other. */
export const LEVELS = 5;
export const MOST_LANES = 10;
const LEVEL_HEIGHT = 19;

/** Boxes of the strip: `{row, level, left, right, count, state}`. Spans that overlap go below each other; what is narrower than `grain`
 *  of the width is merged with its neighbor. */
export function flameBoxes(model, tree, root, { from, to, now, grain }) {
  const boxes = [];
  const span = Math.max(to - from, 1e-6);
  const open = new Array(MOST_LANES).fill(null);
  const taken = Array.from({ length: MOST_LANES }, () => new Uint8Array(Math.ceil(1 / grain) + 1));
  const roots = root >= 0 ? [root] : tree.roots;
  // The first level from this one on that is free for so long; of a full strip none, but a failure is never left out.
  const place = (level, left, right, state) => {
    const [first, last] = [Math.round(left / grain), Math.max(Math.round(right / grain), Math.round(left / grain) + 1)];
    let free = level;
    while (free < MOST_LANES && taken[free].subarray(first, last).includes(1)) free += 1;
    if (free === MOST_LANES) return state === "failure" ? level : -1;
    taken[free].fill(1, first, last);
    return free;
  };
  const visit = (row, depth, lane) => {
    const left = (model.start[row] - from) / span;
    const right = (model.endOf(row, now) - from) / span;
    if (right < 0 || left > 1) return;
    const isFailed = model.isFailed(row) || ((tree.inside[row] & INSIDE.FAILURE) !== 0 && depth === LEVELS - 1);
    const state = isFailed ? "failure" : model.isOpenEnded(row) ? "running" : model.has(row, FLAG.CACHED) ? "cached" : "success";
    const isSmall = right - left < grain;
    const level = isSmall ? lane : place(lane, Math.max(0, left), Math.min(1, right), state);
    if (level < 0) return;
    const last = open[level];
    if (isSmall && last !== null && last.isSmall && left - last.right < grain) {
      last.right = Math.max(last.right, right);
      last.count += 1 + tree.below(row);
      if (state === "failure" && last.state !== "failure") {
        last.state = state;
        last.row = row;
      }
      return;
    }
    const box = { row, level, left: Math.max(0, left), right: Math.min(1, right), count: 1, state, isSmall };
    open[level] = box;
    boxes.push(box);
    if (depth + 1 < LEVELS && level + 1 < MOST_LANES && !isSmall) for (const kid of tree.childrenOf(row)) visit(kid, depth + 1, level + 1);
  };
  for (const row of roots) visit(row, 0, 0);
  return boxes;
}

export class Flame {
  #boxes = [];

  /** `onZoom(row)`: -1 for the whole trace. It listens until `signal` ends it. */
  constructor({ onZoom, signal }) {
    this.onZoom = onZoom;
    this.canvas = h("canvas", { class: "tr-flame", role: "img", tabindex: "-1" });
    this.tip = h("p", { class: "tr-tip", hidden: true, "aria-hidden": "true" });
    this.crumbs = h("ol");
    this.nav = h("nav", { class: "tr-crumbs", "aria-label": "Zoomed span" }, this.crumbs);
    this.element = h("div", { class: "tr-strip" }, this.canvas, this.tip, this.nav);
    this.canvas.addEventListener("click", (event) => {
      const box = this.#hit(event);
      if (box !== null) this.onZoom(box.row);
    });
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
    const scheme = new MutationObserver(() => this.draw());
    scheme.observe(document.documentElement, { attributeFilter: ["data-scheme"] });
    signal.addEventListener("abort", () => scheme.disconnect());
  }

  /** Shows a part of the trace. */
  show(view, root) {
    this.view = view;
    if (this.root !== root) this.levels = 1;
    this.root = root;
    this.#drawCrumbs();
    this.draw();
  }

  #drawCrumbs() {
    const { model, tree } = this.view;
    if (this.root < 0) {
      this.nav.hidden = true;
      return;
    }
    this.nav.hidden = false;
    const path = [-1, ...tree.ancestors(this.root), this.root];
    const key = path.join("/");
    if (this.crumbs.dataset.key === key) return;
    this.crumbs.dataset.key = key;
    // Of a deep path the ends are enough.
    const shown = path.length > 8 ? [...path.slice(0, 3), null, ...path.slice(-4)] : path;
    this.crumbs.replaceChildren(
      ...shown.map((row) => {
        if (row === null) return h("li", { text: "…" });
        const name = row < 0 ? "Whole trace" : plain(model.nameOf(row));
        if (row === this.root) return h("li", { "aria-current": "true" }, h("bdi", { text: name }));
        return h("li", {}, h("button", { type: "button", class: "tr-crumb", on: { click: () => this.onZoom(row) } }, h("bdi", { text: name })));
      }),
    );
  }

  draw() {
    const { canvas } = this;
    if (this.view === undefined || !canvas.isConnected) return;
    const width = canvas.clientWidth;
    if (width === 0) return;
    this.#boxes = this.#layOut(width);
    // As high as what it shows; while it grows it does not shrink again.
    const levels = this.#boxes.reduce((most, { level }) => Math.max(most, level + 1), this.levels);
    this.levels = levels;
    const height = levels * LEVEL_HEIGHT;
    if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 3);
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const { model, from, to } = this.view;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    const fills = { failure: color("--flame-failure"), running: color("--flame-running"), success: color("--flame-success"), cached: color("--flame-cached") };
    const text = color("--flame-text");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `11px ${style.fontFamily}`;
    context.textBaseline = "middle";
    for (const box of this.#boxes) {
      const x = box.left * width;
      const w = Math.max(1, (box.right - box.left) * width - 1);
      const y = box.level * LEVEL_HEIGHT;
      context.fillStyle = fills[box.state];
      context.fillRect(x, y, w, LEVEL_HEIGHT - 2);
      if (box.state === "failure") {
        // A mark besides the color.
        context.fillStyle = color("--flame-mark");
        context.fillRect(x, y, w, 3);
      }
      if (w < 42) continue;
      context.save();
      context.beginPath();
      context.rect(x + 4, y, w - 8, LEVEL_HEIGHT);
      context.clip();
      context.fillStyle = text;
      const sign = box.state === "failure" ? "✕ " : "";
      context.fillText(sign + (box.count > 1 ? `${box.count} spans` : plain(model.nameOf(box.row)).slice(0, 200)), x + 5, y + LEVEL_HEIGHT / 2 - 0.5);
      context.restore();
    }
    const failed = this.#boxes.filter(({ state }) => state === "failure").length;
    canvas.setAttribute("aria-label", `Flame graph of ${this.root < 0 ? "the whole trace" : plain(model.nameOf(this.root))}, ${duration(to - from)}${failed > 0 ? ", with failures" : ""}; the tree below says the same`);
  }

  #layOut(width) {
    const { model, tree, from, to, now } = this.view;
    return flameBoxes(model, tree, this.root, { from, to, now, grain: 2 / width });
  }

  #hit(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const x = (event.clientX - left) / width;
    const level = Math.floor((event.clientY - top) / LEVEL_HEIGHT);
    let best = null;
    const slack = 2 / width;
    for (const box of this.#boxes) if (box.level === level && x >= box.left - slack && x <= box.right + slack && (best === null || Math.abs(x - box.left) < Math.abs(x - best.left))) best = box;
    return best;
  }

  #point(event) {
    const box = this.#hit(event);
    this.canvas.style.cursor = box === null ? "" : "pointer";
    this.tip.hidden = box === null;
    if (box === null) return;
    const { model, now } = this.view;
    const name = box.count > 1 ? `${box.count} spans` : plain(model.nameOf(box.row));
    this.tip.textContent = `${name} · ${duration(model.endOf(box.row, now) - model.start[box.row])}`;
    const { left, width } = this.canvas.getBoundingClientRect();
    const x = event.clientX - left;
    this.tip.style.left = x < width / 2 ? `${x}px` : "";
    this.tip.style.right = x < width / 2 ? "" : `${width - x}px`;
    this.tip.style.top = `${(box.level + 1) * LEVEL_HEIGHT + 4}px`;
  }
}
