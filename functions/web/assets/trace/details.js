// What is known of one span: its facts, its call in full, attributes, events, links, and its metrics as small curves.

import { copy, h, outside, plain, s } from "./dom.js";
import { amount, duration, exact } from "./format.js";

const LONG = 600;

/** A value as text: texts as they are, all else as JSON. */
function textOf(value) {
  if (typeof value === "string") return value;
  return JSON.stringify(value) ?? "";
}

// A long text is cut until somebody wants all of it.
function longText(text) {
  const shown = plain(text);
  if (shown.length <= LONG) return h("code", { class: "tr-text", text: shown });
  const code = h("code", { class: "tr-text", text: `${shown.slice(0, LONG)}…` });
  const button = h("button", { type: "button", class: "tr-more", text: `Show all ${shown.length.toLocaleString("en-US")} characters` });
  button.addEventListener("click", () => {
    code.textContent = shown;
    button.remove();
  });
  return h("div", {}, code, button);
}

function attributeList(attributes) {
  const list = h("dl", { class: "tr-attributes" });
  for (const [key, value] of attributes) {
    const text = textOf(value);
    const isAddress = typeof value === "string" && /^https?:/.test(text);
    list.append(h("div", {}, h("dt", {}, h("code", { text: plain(key) })), h("dd", {}, isAddress ? outside(plain(text), text) : longText(text))));
  }
  return list;
}

function section(title, content) {
  return h("section", { class: "tr-part" }, h("h3", { text: title }), content);
}

function fact(term, ...content) {
  return h("div", {}, h("dt", { text: term }), h("dd", {}, ...content));
}

/** The element with a span's details. `nameOf(id)` names another span or is null, `go(id)` leads to it, `elsewhere(link)` is the address of
 *  one in another trace, or null. */
export function details(span, { stateWord, took, selfTook, go, nameOf, elsewhere, excerpt, shareUrl }) {
  const facts = h("dl", { class: "tr-facts" });
  facts.append(fact("State", stateWord));
  if (took) facts.append(fact("Took", took + (selfTook ? `, ${selfTook} of it not in a child` : "")));
  facts.append(fact("Began", exact(Date.parse(span.start))));
  if (span.end) facts.append(fact("Ended", exact(Date.parse(span.end))));
  if (span.cache) facts.append(fact("Cache", plain(span.cache.outcome), span.cache.reason ? `: ${plain(span.cache.reason)}` : ""));
  if (span.kind && !/internal|unspecified/i.test(span.kind)) facts.append(fact("Kind", plain(span.kind)));
  const scope = typeof span.scope === "string" ? span.scope : [span.scope?.name, span.scope?.version].filter(Boolean).join(" ");
  if (scope) facts.append(fact("Library", plain(scope)));
  const copied = h("button", { type: "button", class: "tr-more", text: "Copy link" });
  copied.addEventListener("click", async () => {
    copied.textContent = (await copy(shareUrl())) ? "Copied" : "Not copied";
  });
  facts.append(fact("Span", h("code", { text: span.id }), " ", copied));
  const parts = [];
  const message = span.error ?? span.status?.message;
  if (message) parts.push(section("Error", h("pre", { class: "tr-message", tabindex: "0", text: plain(message) })));
  if (excerpt) parts.push(section(`Found in ${excerpt.where === "log" ? "its log" : `an ${plain(excerpt.where)}`}`, h("pre", { class: "tr-message", tabindex: "0", text: plain(excerpt.excerpt) })));
  parts.push(section("Span", facts));
  if (span.call) parts.push(section("Call", callInFull(span.call)));
  if (span.attributes?.length > 0) parts.push(section("Attributes", attributeList(span.attributes)));
  if (span.events?.length > 0) parts.push(section("Events", events(span)));
  if (span.links?.length > 0) parts.push(section("Links", links(span.links, { go, nameOf, elsewhere })));
  if (span.resource?.length > 0) parts.push(section("Process", attributeList(span.resource)));
  const dropped = Object.entries(span.dropped ?? {}).filter(([, number]) => number > 0);
  if (dropped.length > 0) parts.push(section("Left out", h("p", { text: dropped.map(([what, number]) => `${number.toLocaleString("en-US")} ${what}`).join(", ") })));
  return h("div", { class: "tr-details" }, ...parts);
}

function callInFull(call) {
  const list = h("dl", { class: "tr-attributes" });
  if (call.receiver) list.append(h("div", {}, h("dt", { text: "receiver" }), h("dd", {}, longText(call.receiver))));
  list.append(h("div", {}, h("dt", { text: "function" }), h("dd", {}, longText(call.field))));
  for (const [name, short, full] of call.args ?? []) list.append(h("div", {}, h("dt", {}, h("code", { text: plain(name) })), h("dd", {}, longText(full ?? short))));
  if (call.type) list.append(h("div", {}, h("dt", { text: "result" }), h("dd", {}, longText(call.type))));
  return list;
}

function events(span) {
  const began = Date.parse(span.start);
  return h(
    "ol",
    { class: "tr-events" },
    ...span.events.map((event) => {
      const after = Date.parse(event.time) - began;
      return h("li", {}, h("p", {}, h("b", { text: plain(event.name) }), Number.isFinite(after) ? ` after ${duration(after)}` : ""), event.attributes?.length > 0 ? attributeList(event.attributes) : null);
    }),
  );
}

function links(found, { go, nameOf, elsewhere }) {
  return h(
    "ul",
    { class: "tr-links" },
    ...found.map((link) => {
      const id = link.span ?? link.span_id ?? "";
      const href = elsewhere(link);
      const name = href === null ? nameOf(id) : null;
      const code = h("code", { text: plain(id) });
      const button = () => h("button", { type: "button", class: "tr-more", on: { click: () => go(id) } }, h("bdi", { text: plain(name) }));
      const label = href !== null ? h("a", { href }, code, " of another trace") : name !== null ? button() : code;
      const purpose = { error_origin: "error began in", wait: "waited for", cause: "caused by" }[link.purpose ?? "cause"] ?? plain(link.purpose);
      return h("li", {}, `${purpose} `, label, link.attributes?.length > 0 ? attributeList(link.attributes) : null);
    }),
  );
}

const WIDTH = 180;
const HEIGHT = 36;

/** A curve of `[ms, value]` points: what SVG's `d` is made of. */
export function curve(points, width = WIDTH, height = HEIGHT) {
  const finite = points.filter(([time, value]) => Number.isFinite(time) && Number.isFinite(value));
  if (finite.length === 0) return "";
  const times = finite.map(([time]) => time);
  const values = finite.map(([, value]) => value);
  const least = (numbers) => numbers.reduce((a, b) => Math.min(a, b));
  const most = (numbers) => numbers.reduce((a, b) => Math.max(a, b));
  const [t0, t1, v0, v1] = [least(times), most(times), Math.min(0, least(values)), most(values)];
  const x = (time) => (t1 > t0 ? ((time - t0) / (t1 - t0)) * width : width).toFixed(1);
  const y = (value) => (height - 1 - (v1 > v0 ? (value - v0) / (v1 - v0) : 0) * (height - 2)).toFixed(1);
  return finite.map(([time, value], index) => `${index === 0 ? "M" : "L"}${x(time)} ${y(value)}`).join("") + (finite.length === 1 ? `L${width} ${y(values[0])}` : "");
}

/** All series of a span. */
export function sparklines(series) {
  return h(
    "ul",
    { class: "tr-metrics" },
    ...series.map(({ name, unit, points }) => {
      const values = points.map(([, value]) => value).filter(Number.isFinite);
      const last = values.at(-1) ?? 0;
      const most = values.reduce((a, b) => Math.max(a, b), last);
      const label = plain(name.replace(/^dagger\.io\/metrics\./, ""));
      const words = `last ${amount(last, unit)}, at most ${amount(most, unit)}`;
      const picture = s("svg", { class: "tr-spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": `${label}: ${words}` }, s("path", { d: curve(points), class: "tr-curve" }));
      return h("li", {}, h("span", { class: "tr-metric", text: label }), picture, h("span", { class: "tr-amount", text: words }));
    }),
  );
}
