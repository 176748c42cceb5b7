// Finds spans: names at once, from what is here; attributes and logs on the server, as far as it looks in one go.

import { h, setText } from "./dom.js";
import { count, counted } from "./format.js";

const WAIT_MS = 250;
const MOST_PAGES = 20;
const MOST_HITS = 50_000;

/** Rows whose name contains a text, whatever its case. Names are few and shared: each is looked at once. */
export function findNames(model, text) {
  const wanted = text.toLowerCase();
  const isHit = model.names.map((name) => name !== undefined && name.toLowerCase().includes(wanted));
  const hits = [];
  for (let row = 0; row < model.size && hits.length < MOST_HITS; row++) if (model.known[row] === 1 && isHit[model.name[row]]) hits.push(row);
  return hits;
}

export class Search {
  #timer = null;
  #controller = null;
  #names = [];
  #asked = new Map();
  #at = -1;

  /** `onHits()` when hits changed, `onMove(row)` when the reader goes to one. */
  constructor(api, model, { onHits, onMove, orderOf }) {
    Object.assign(this, { api, model, onHits, onMove, orderOf });
    this.hits = new Set();
    this.text = "";
    this.input = h("input", { type: "search", id: "tr-find", class: "tr-find-input", placeholder: "Find in names, attributes, logs", "aria-label": "Find in names, attributes and logs", spellcheck: "false", autocomplete: "off", maxlength: "200" });
    this.note = h("span", { class: "tr-find-note", role: "status" });
    this.more = h("button", { type: "button", class: "tr-find-more", text: "Look further", hidden: true });
    this.previous = h("button", { type: "button", class: "icon tr-up", "aria-label": "Previous hit", title: "Previous hit (N)", text: "↑", hidden: true });
    this.next = h("button", { type: "button", class: "icon tr-down", "aria-label": "Next hit", title: "Next hit (n)", text: "↓", hidden: true });
    this.element = h("div", { class: "tr-find", role: "search" }, this.input, this.previous, this.next, this.note, this.more);
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.move(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        if (this.input.value === "") this.input.blur();
        this.input.value = "";
        this.#typed();
        event.stopPropagation();
      }
    });
    this.previous.addEventListener("click", () => this.move(-1));
    this.next.addEventListener("click", () => this.move(1));
    this.more.addEventListener("click", () => this.#ask());
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#controller?.abort();
    this.text = this.input.value.trim();
    this.#asked = new Map();
    this.#at = -1;
    this.cursor = null;
    this.searched = null;
    this.isAsking = false;
    this.error = null;
    this.#names = this.text === "" ? [] : findNames(this.model, this.text);
    this.#publish();
    if (this.text.length >= 2) this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
  }

  /** Rows are counted anew: what the server found under their old numbers is worthless, and asked for again. */
  forget() {
    if (this.text !== "") this.#typed();
  }

  /** Looks through the names again after rows came. */
  refresh() {
    if (this.text === "") return;
    this.#names = findNames(this.model, this.text);
    this.#publish();
  }

  async #ask() {
    const text = this.text;
    const controller = (this.#controller = new AbortController());
    this.isAsking = true;
    this.error = null;
    this.#say();
    try {
      for (let page = 0; page < MOST_PAGES; page++) {
        const answer = await this.api.json("search", { q: text, after: this.cursor }, { signal: controller.signal });
        if (text !== this.text) return;
        for (const { row, where, excerpt } of answer.hits) if (!this.#asked.has(row) && this.#asked.size < MOST_HITS) this.#asked.set(row, { where, excerpt });
        this.searched = [answer.searched, answer.of];
        this.cursor = answer.next ?? null;
        this.#publish();
        if (this.cursor === null) break;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.error = error.message;
    } finally {
      if (controller === this.#controller) {
        this.isAsking = false;
        this.#say();
      }
    }
  }

  #publish() {
    this.hits = new Set(this.#names);
    for (const row of this.#asked.keys()) this.hits.add(row);
    this.#say();
    this.onHits();
  }

  /** What the server found at a row besides its name. */
  excerptOf(row) {
    return this.#asked.get(row) ?? null;
  }

  #say() {
    const has = this.hits.size > 0;
    this.previous.hidden = this.next.hidden = !has;
    this.more.hidden = this.isAsking || this.text === "" || (this.cursor ?? null) === null;
    let text = "";
    if (this.text !== "") {
      text = this.#at >= 0 && has ? `${count(this.#at + 1)} of ${counted(this.hits.size, "hit")}` : has ? counted(this.hits.size, "hit") : this.isAsking ? "" : "no hits";
      if (this.isAsking) text += `${text === "" ? "" : ", "}looking in attributes and logs…`;
      else if (this.error !== null) text += `, but ${this.error}`;
      else if (this.searched && this.searched[0] < this.searched[1]) text += `, ${count(this.searched[0])} of ${count(this.searched[1])} looked through`;
    }
    setText(this.note, text);
  }

  /** Goes to the next or the previous hit, in the order of the tree. */
  move(by) {
    if (this.hits.size === 0) return;
    const ordered = [...this.hits].sort((a, b) => this.orderOf(a) - this.orderOf(b));
    this.#at = this.#at < 0 ? (by > 0 ? 0 : ordered.length - 1) : (this.#at + by + ordered.length) % ordered.length;
    this.#say();
    this.onMove(ordered[this.#at]);
  }
}
