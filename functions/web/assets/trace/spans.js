// What rows need besides the outline: the call, the error's message, the cache's reason. Read for the rows in sight only.

import { FLAG } from "./model.js";

const MOST_AT_ONCE = 200;
const MOST_HELD = 6000;
const WAIT_MS = 60;
const NEEDS = FLAG.CALL | FLAG.ERROR | FLAG.ERROR_ORIGIN | FLAG.CHECK_FAILED | FLAG.CACHED | FLAG.EXECUTED | FLAG.JOINED | FLAG.UNCACHED;

export class Spans {
  #held = new Map();
  #asked = new Set();
  #wanted = [];
  #timer = null;
  #failedAt = 0;

  /** `onRead(isNews)` when spans came; with news rows stand otherwise than before. */
  constructor(api, model, { onRead }) {
    Object.assign(this, { api, model, onRead });
  }

  clear() {
    this.#held.clear();
    this.#asked.clear();
  }

  /** The span of a row, as far as it was read, or undefined. */
  of(row) {
    return this.#held.get(row)?.span;
  }

  // A row that changed is read again: a running call has no result yet.
  #stamp(row) {
    return this.model.flags[row];
  }

  /** Asks for what the rows in sight lack, once the reader pauses. */
  want(rows) {
    const lacking = new Set();
    for (const row of rows) {
      for (const other of this.model.resumesBeside(row)) if (!this.#asked.has(other) && !this.#held.has(other)) lacking.add(other);
      if ((this.model.flags[row] & NEEDS) === 0 || this.#asked.has(row)) continue;
      if (this.#held.get(row)?.stamp !== this.#stamp(row)) lacking.add(row);
    }
    this.#wanted = [...lacking];
    if (lacking.size === 0) return;
    clearTimeout(this.#timer);
    const pause = Math.max(WAIT_MS, this.#failedAt + 3000 - Date.now());
    this.#timer = setTimeout(() => this.#ask(), pause);
  }

  async #ask() {
    const rows = this.#wanted.slice(0, MOST_AT_ONCE);
    const stamps = new Map(rows.map((row) => [row, this.#stamp(row)]));
    for (const row of rows) this.#asked.add(row);
    try {
      const { spans } = await this.api.json("spans", { rows: rows.join(","), brief: 1 });
      let isNews = false;
      for (const { row, call, status, error, cache, resumes } of spans) {
        if (resumes) isNews = this.model.resume(resumes, row) || isNews;
        this.#held.delete(row);
        this.#held.set(row, { stamp: stamps.get(row), span: { call, status, error, cache } });
      }
      // A row without an answer is not asked for again until it changes.
      for (const [row, stamp] of stamps) if (!this.#held.has(row)) this.#held.set(row, { stamp, span: {} });
      for (const row of this.#held.keys()) {
        if (this.#held.size <= MOST_HELD) break;
        this.#held.delete(row);
      }
      this.onRead(isNews);
    } catch {
      // Names are there all the same; the next look at these rows asks again.
      this.#failedAt = Date.now();
    } finally {
      for (const row of rows) this.#asked.delete(row);
    }
  }

  /** Everything about one row. */
  async whole(row) {
    const { spans } = await this.api.json("spans", { rows: row });
    return spans[0] ?? null;
  }
}
