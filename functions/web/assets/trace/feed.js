// Fills the model: first the whole trace page by page, then what changed, every second while it runs and somebody looks.

import { ApiError } from "./api.js";
import { WireError, decode } from "./wire.js";

const POLL_MS = 1000;
// Telemetry that comes after the end: asked for a few times, ever less often.
const AFTER_END_MS = [1500, 3000, 6000, 15_000, 30_000];
const MOST_WAIT_MS = 30_000;

export class Feed {
  #timer = null;
  #sinceEnd = 0;
  #failures = 0;
  #cursor = null;
  #numbering = 0;
  #isBusy = false;

  /** `on.rows(isComplete)` after each answer that brought something, `on.tick()` after the others, `on.reset()` before all rows are forgotten,
   *  `on.beat()` while all is well, `on.error(error, retryInMs)`. Nothing of that after `signal` ended it. */
  constructor(api, model, on, signal) {
    Object.assign(this, { api, model, on, signal });
    this.isComplete = false;
    const looked = () => (document.hidden ? clearTimeout(this.#timer) : this.now());
    document.addEventListener("visibilitychange", looked, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Asks at once. */
  async now() {
    clearTimeout(this.#timer);
    if (this.#isBusy || this.signal.aborted) return;
    this.#isBusy = true;
    try {
      if (this.#cursor === null || !this.isComplete) await this.#load();
      else await this.#poll();
      this.#failures = 0;
      this.on.beat();
      this.#later();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isBusy = false;
    }
  }

  async #ask(parameters) {
    return decode(await this.api.bytes("outline", parameters));
  }

  async #load() {
    const { model } = this;
    for (;;) {
      const held = model.size;
      const parameters = { from: held, names: model.names.length, part: held > 0 ? this.#numbering : undefined };
      const answer = await this.#ask(parameters);
      // Another numbering in the middle: what is held is worthless, begin again.
      if (answer.isReset && held > 0) {
        this.on.reset();
        model.clear();
        this.#cursor = null;
        if (answer.first !== 0) continue;
      }
      // Rows may change while the rest is read: what is asked for later is what came after the first answer.
      if (this.#cursor === null) this.#cursor = answer.cursor;
      this.#numbering = answer.numbering;
      model.apply({ ...answer, isReset: false });
      this.isComplete = !answer.hasMore || (answer.rows === 0 && answer.names.length === 0);
      this.on.rows(this.isComplete, answer.rows);
      if (this.isComplete) return;
    }
  }

  async #poll() {
    const { model } = this;
    const parameters = { after: this.#cursor, from: 0, names: model.names.length, part: this.#numbering };
    const answer = await this.#ask(parameters);
    this.#numbering = answer.numbering;
    if (answer.isReset) {
      this.on.reset();
      model.clear();
      model.apply({ ...answer, isReset: false });
      this.#cursor = answer.cursor;
      this.isComplete = !answer.hasMore;
      if (!this.isComplete) return this.#load();
      this.on.rows(true, answer.rows);
      return;
    }
    const wasFinished = model.isFinished;
    model.apply(answer);
    this.#cursor = answer.cursor;
    this.#sinceEnd = answer.rows > 0 || !model.isFinished ? 0 : this.#sinceEnd + 1;
    if (answer.rows > 0 || answer.names.length > 0 || wasFinished !== model.isFinished) this.on.rows(true, answer.rows);
    else this.on.tick();
  }

  #later() {
    if (document.hidden) return;
    const wait = this.model.isFinished ? AFTER_END_MS[this.#sinceEnd] : POLL_MS;
    if (wait !== undefined) this.#timer = setTimeout(() => this.now(), wait);
  }

  #fail(error) {
    if (this.signal.aborted) return;
    // A mistake of ours is no trouble with the server: whoever looks for it finds it in the console.
    if (!(error instanceof ApiError || error instanceof WireError)) reportError(error);
    this.#failures += 1;
    // What will not change by asking again is not asked again.
    const isFinal = error.status === 401 || error.status === 403 || error.status === 404;
    const wait = error.retryAfterMs ?? Math.min(1000 * 2 ** (this.#failures - 1), MOST_WAIT_MS);
    this.on.error(error, isFinal ? null : wait);
    if (!isFinal && !document.hidden) this.#timer = setTimeout(() => this.now(), wait);
  }
}
