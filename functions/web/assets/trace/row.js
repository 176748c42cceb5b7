// One row: on the left the call with its state and badges, on the right its bar on the time axis. Rows are made once and filled again.

import { h, plain, setText, sign } from "./dom.js";
import { counted, duration } from "./format.js";
import { FLAG } from "./model.js";

/** How each state looks: the page's class, the sign, the word. */
export const STATES = {
  succeeded: { key: "success", word: "succeeded" },
  failed: { key: "failure", word: "failed" },
  running: { key: "running", word: "running" },
  lost: { key: "error", word: "lost contact" },
  cancelled: { key: "cancelled", word: "cancelled" },
  blocked: { key: "queued", word: "not run" },
};

const BADGES = [
  [FLAG.CACHED, "cached", "Its result came from the cache"],
  [FLAG.JOINED, "joined", "It waited for the same call made elsewhere"],
  [FLAG.UNCACHED, "uncached", "It is never cached"],
  [FLAG.EXECUTED, "executed", "It was executed: the cache had no result"],
  [FLAG.CHECK, "check", "A check"],
  [FLAG.TEST, "test", "A test"],
  [FLAG.GENERATOR, "generator", "A generator"],
  [FLAG.SERVICE, "service", "A service"],
  [FLAG.PENDING, "pending", "Its result is not evaluated yet"],
];

const HINTS = [
  [FLAG.INTERNAL, "internal"],
  [FLAG.PASSTHROUGH, "pass-through"],
];

/** The elements of a row, ready to be filled. */
export function makeRow() {
  const parts = {
    twist: h("span", { class: "tr-twist", data: { act: "twist" } }, sign("down")),
    state: h("span", { class: "tr-state" }),
    word: h("span", { class: "sr" }),
    name: h("span", { class: "tr-name" }),
    badges: h("span", { class: "tr-badges" }),
    logs: h("button", { type: "button", class: "tr-count", tabindex: "-1", data: { act: "logs" } }),
    bar: h("span", { class: "tr-bar" }),
    took: h("span", { class: "tr-took" }),
    error: h("span", { class: "tr-error", hidden: true, data: { act: "details" } }),
  };
  const call = h("span", { class: "tr-call", role: "gridcell" }, parts.twist, parts.state, parts.word, parts.name, parts.badges, parts.logs, parts.error);
  const time = h("span", { class: "tr-time", role: "gridcell" }, h("span", { class: "tr-lane" }, parts.bar, parts.took));
  const element = h("div", { class: "tr-row", role: "row" }, call, time);
  return { element, call, parts, row: -1, signName: "" };
}

// Another call as receiver is known by its digest only: the type that the span's name begins with says more.
function receiverOf(call, name) {
  const tail = `.${call.field}`;
  return /^@[0-9a-f]+$/.test(call.receiver ?? "") && name.endsWith(tail) ? name.slice(0, -tail.length) : call.receiver;
}

// Receiver, function, arguments and result, each with a class of its own; the full text of an argument on hover and for readers.
function callParts(call, name) {
  const parts = [];
  const receiver = receiverOf(call, name);
  if (receiver) parts.push(h("span", { class: "tr-receiver", text: plain(receiver) }), ".");
  parts.push(h("b", { text: plain(call.field) }));
  const args = call.args ?? [];
  parts.push("(");
  for (const [index, [name, short, full]] of args.entries()) {
    if (index > 0) parts.push(", ");
    const text = plain(short);
    const value = h("span", { class: "tr-value", text, title: plain(full ?? short) });
    parts.push(name ? h("span", { class: "tr-argument", text: `${plain(name)}: ` }) : "", value);
  }
  parts.push(")");
  if (call.type) parts.push(h("span", { class: "tr-type", text: `: ${plain(call.type)}` }));
  return parts;
}

/** Fills a row. `view` is what the page knows: model, tree, spans, time axis, hits. */
export function fillRow(made, row, view) {
  const { model, tree } = view;
  const { element, parts } = made;
  const flags = model.flags[row];
  const state = model.stateOf(row, view.now);
  const look = STATES[state];
  const depth = tree.depth[row];
  const [place, siblings] = tree.position(row);
  const kids = tree.childCount(row);
  const isNew = made.row !== row;
  made.row = row;
  element.id = `tr-${model.idOf(row)}`;
  const isActive = view.active === row;
  const classes = ["tr-row", `s-${look.key}`];
  if (isActive) classes.push("active");
  if (view.hits.has(row)) classes.push("hit");
  if (view.critical?.has(row)) classes.push("critical");
  if (kids > 0) classes.push("folder");
  const className = classes.join(" ");
  if (element.className !== className) element.className = className;
  element.setAttribute("aria-level", String(depth + 1));
  element.setAttribute("aria-posinset", String(place));
  element.setAttribute("aria-setsize", String(siblings));
  element.setAttribute("aria-selected", String(isActive));
  if (kids > 0) element.setAttribute("aria-expanded", String(view.isOpen(row)));
  else element.removeAttribute("aria-expanded");
  made.call.style.setProperty("--depth", String(Math.min(depth, view.deepest)));
  if (made.signName !== look.key) {
    parts.state.replaceChildren(sign(look.key, "i"));
    made.signName = look.key;
  }
  parts.state.title = look.word;
  setText(parts.word, `${look.word}: `);
  fillName(made, row, view, isNew);
  fillBadges(parts.badges, row, view, state, kids);
  const logs = model.logs[row];
  parts.logs.hidden = logs === 0 && (flags & FLAG.ROLLUP_LOGS) === 0;
  if (!parts.logs.hidden) {
    setText(parts.logs, "log");
    const title = logs > 0 ? counted(logs, "log record") : "the log of what is below";
    if (parts.logs.title !== title) parts.logs.title = title;
  }
  fillError(parts.error, row, view);
  fillBar(parts, row, view, state);
}

function fillName(made, row, view, isNew) {
  const { parts } = made;
  const span = view.spanOf(row);
  const isRead = span?.call !== undefined && span?.call !== null;
  const name = view.model.nameOf(row);
  const key = `${isRead ? "c" : "n"}${name}`;
  if (!isNew && made.nameKey === key) return;
  made.nameKey = key;
  if (isRead) {
    parts.name.className = "tr-name call";
    parts.name.replaceChildren(...callParts(span.call, name));
    parts.name.title = "";
  } else {
    const isCall = view.model.has(row, FLAG.CALL);
    parts.name.className = isCall ? "tr-name call" : "tr-name";
    parts.name.replaceChildren(isCall ? h("b", { text: plain(name) }) : h("bdi", { text: plain(name) }));
    parts.name.title = name.length > 60 ? plain(name) : "";
  }
}

function fillBadges(element, row, view, state, kids) {
  const { model, tree } = view;
  const flags = model.flags[row];
  const words = [];
  if (view.critical?.has(row)) words.push(["critical", "On the critical path: the trace would have ended sooner without it", "critical"]);
  if (view.hasError(row)) words.push(["origin", "The error began here", "origin"]);
  if (state === "lost") words.push(["lost contact", "It did not say that it ended, and nothing was heard of it for 90 s", "lost"]);
  for (const [flag, word, title] of BADGES) {
    if ((flags & flag) === 0 || (flag === FLAG.PENDING && !model.isPending(row))) continue;
    // A result from the cache that somebody waited for is one fact, not two.
    if (word === "executed" && (flags & (FLAG.CACHED | FLAG.JOINED)) !== 0) continue;
    const reason = ["cached", "joined", "executed", "uncached"].includes(word) ? view.spanOf(row)?.cache?.reason : null;
    words.push([word, reason ? `${title}: ${plain(reason)}` : title, word]);
  }
  if (tree.showsAll) for (const [flag, word] of HINTS) if ((flags & flag) !== 0) words.push([word, "A hint of the sender hides it by default", "hint"]);
  if (kids > 0 && !view.isOpen(row)) words.push([rolledUp(row, view, kids), "Folded rows", "folded"]);
  const key = words.map((word) => word.join("/")).join("|");
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...words.map(([word, title, name]) => h("span", { class: `tr-badge b-${name}`, title, text: word })));
}

// "12 of 15 done" where a span asks for it, else how many rows are folded away.
function rolledUp(row, view, kids) {
  const { model, tree } = view;
  if (model.has(row, FLAG.ROLLUP_SPANS) && kids <= 500) {
    let done = 0;
    for (const kid of tree.childrenOf(row)) done += model.isOpenEnded(kid) ? 0 : 1;
    return `${done} of ${kids} done`;
  }
  return `+${tree.below(row).toLocaleString("en-US")}`;
}

function fillError(element, row, view) {
  const isShown = view.hasError(row);
  element.hidden = !isShown;
  if (!isShown) return;
  const span = view.spanOf(row);
  const message = span?.error ?? span?.status?.message;
  setText(element, message === undefined ? "…" : message === "" ? "It failed without a message." : plain(message).trim().split("\n").find((line) => line.trim() !== "") ?? "");
}

function fillBar(parts, row, view, state) {
  const { model, from, to } = view;
  const start = model.start[row];
  const end = model.endOf(row, view.now);
  const span = Math.max(to - from, 1e-6);
  const left = Math.min(Math.max((start - from) / span, 0), 1);
  const right = Math.min(Math.max((end - from) / span, 0), 1);
  const isOutside = end < from || start > to;
  const { bar, took } = parts;
  bar.hidden = isOutside;
  bar.style.left = `${(left * 100).toFixed(3)}%`;
  bar.style.width = `${((right - left) * 100).toFixed(3)}%`;
  bar.style.backgroundImage = view.isOpen(row) ? "" : busyParts(row, view, start, end);
  // The lane ends before the row does: there is room for the last label.
  took.style.left = `${(right * 100).toFixed(3)}%`;
  took.hidden = end < from;
  setText(took, state === "lost" ? `${duration(end - start)} …` : duration(end - start));
}

// When the children of a folded row were busy: idle gaps stay pale. A few strokes are enough.
function busyParts(row, view, start, end) {
  const { model, tree } = view;
  const kids = tree.childCount(row);
  if (kids === 0 || kids > 200 || end <= start) return "";
  const strokes = [];
  for (const kid of tree.childrenOf(row)) {
    const from = Math.max(0, (model.start[kid] - start) / (end - start));
    const to = Math.min(1, (model.endOf(kid, view.now) - start) / (end - start));
    if (to <= from) continue;
    const last = strokes.at(-1);
    if (last !== undefined && from <= last[1] + 0.004) last[1] = Math.max(last[1], to);
    else strokes.push([from, to]);
    if (strokes.length > 40) return "";
  }
  if (strokes.length === 0) return "";
  const stops = ["transparent 0"];
  for (const [from, to] of strokes) {
    const [a, b] = [from * 100, to * 100].map((percent) => percent.toFixed(2));
    stops.push(`transparent ${a}%`, `var(--busy) ${a}%`, `var(--busy) ${b}%`, `transparent ${b}%`);
  }
  return `linear-gradient(to right, ${stops.join(", ")}, transparent 0)`;
}
