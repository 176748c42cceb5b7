// Elements. Text is always text: nothing in a trace becomes markup, an attribute that runs, or a link to anything but the web.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `class`, `text`, `on` and `data` are special; everything else is an attribute. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") for (const [key, datum] of Object.entries(value)) element.dataset[key] = datum;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A sign of the page's set. */
export function sign(name, className = "i") {
  return s("svg", { class: className, "aria-hidden": "true" }, s("use", { href: `#i-${name}` }));
}

/** The address if it leads to the web, or null. */
export function webAddress(text) {
  if (typeof text !== "string" || text.length > 4096) return null;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A link to elsewhere, or the bare text when it does not lead to the web. */
export function outside(text, address) {
  const href = webAddress(address);
  if (href === null) return document.createTextNode(text);
  return h("a", { href, rel: "noopener noreferrer nofollow", target: "_blank", text });
}

const CONTROLS = /[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/g;

/** Text without characters that turn the direction of what follows them. */
export function plain(text) {
  return String(text).replace(CONTROLS, "\ufffd");
}

/** Sets text only where it differs, so that a selection survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Copies a text; says whether that was possible. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP there is no clipboard: the old way.
    const area = h("textarea", { class: "sr", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
}
