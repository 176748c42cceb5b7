// The rows of a trace in columns: a million of them fit, and an update touches only what it names.

import { NONE } from "./wire.js";

/** Bits of a row; the numbers are those of the server. */
export const FLAG = {
  ERROR: 1 << 0, ENDED: 1 << 1, INTERNAL: 1 << 2, PASSTHROUGH: 1 << 3, ENCAPSULATE: 1 << 4, ENCAPSULATED: 1 << 5, REVEAL: 1 << 6, BOUNDARY: 1 << 7,
  ROLLUP_LOGS: 1 << 8, ROLLUP_SPANS: 1 << 9, CACHED: 1 << 10, EXECUTED: 1 << 11, JOINED: 1 << 12, UNCACHED: 1 << 13, PENDING: 1 << 14, BLOCKED: 1 << 15,
  CANCELED: 1 << 16, CHECK: 1 << 17, CHECK_FAILED: 1 << 18, TEST: 1 << 19, GENERATOR: 1 << 20, SERVICE: 1 << 21, MESSAGE: 1 << 22, ERROR_ORIGIN: 1 << 23,
  CALL: 1 << 24, METRICS: 1 << 25, CLI: 1 << 26, REMOTE_PARENT: 1 << 27, WAITS: 1 << 28, LABELLED: 1 << 29, CHECK_PASSED: 1 << 30, ROOT: 1 << 31,
};

/** A running span that nothing was heard of for so long is lost. */
export const LOST_AFTER_MS = 90_000;

const COLUMNS = { start: Float64Array, end: Float64Array, received: Float64Array, hi: Uint32Array, lo: Uint32Array, parent: Uint32Array, name: Uint32Array, flags: Uint32Array, logs: Uint32Array, children: Uint32Array, known: Uint8Array };

export class Model {
  constructor() {
    this.clear();
  }

  clear() {
    this.size = 0;
    this.count = 0;
    this.total = 0;
    this.origin = Number.NaN;
    this.isFinished = false;
    this.names = [];
    this.capacity = 0;
    for (const [column, Kind] of Object.entries(COLUMNS)) this[column] = new Kind(0);
    // Offset of the last thing that happened, for the time axis.
    this.lastEnd = 0;
    this.deferred = new Map();
    this.measured = new Map();
    this.resumes = new Map();
    this.resumed = new Map();
    this.hasOpenRoot = false;
  }

  #grow(size) {
    if (size <= this.capacity) return;
    const capacity = Math.max(size, 1024, Math.min(this.capacity * 2, this.capacity + 500_000));
    for (const [column, Kind] of Object.entries(COLUMNS)) {
      const wider = new Kind(capacity);
      wider.set(this[column]);
      this[column] = wider;
    }
    this.capacity = capacity;
  }

  /** Takes an answer in; says how many rows it changed. */
  apply(answer) {
    if (answer.isReset) this.clear();
    this.total = answer.total;
    this.isFinished = answer.isFinished;
    if (Number.isNaN(this.origin)) this.origin = answer.origin;
    const shift = answer.origin - this.origin;
    if (shift !== 0 && answer.rows > 0) this.#shift(-shift, answer.origin);
    for (let i = 0; i < answer.names.length; i++) this.names[answer.firstName + i] = answer.names[i];
    let size = this.size;
    for (let i = 0; i < answer.rows; i++) {
      const row = answer.row[i];
      // A row number out of all proportion is not worth its memory.
      if (row < answer.total && row >= size) size = row + 1;
    }
    this.#grow(size);
    for (let i = 0; i < answer.rows; i++) {
      const row = answer.row[i];
      if (row >= answer.total) continue;
      if (this.known[row] === 0) this.count += 1;
      this.known[row] = 1;
      this.start[row] = answer.start[i];
      this.end[row] = answer.end[i];
      this.received[row] = answer.received[i];
      this.hi[row] = answer.hi[i];
      this.lo[row] = answer.lo[i];
      this.parent[row] = answer.parent[i];
      this.name[row] = answer.name[i];
      this.flags[row] = answer.flags[i];
      this.logs[row] = answer.logs[i];
      this.children[row] = answer.children[i];
      const last = answer.end[i] >= answer.start[i] ? answer.end[i] : answer.start[i];
      if (last > this.lastEnd) this.lastEnd = last;
    }
    this.size = size;
    return answer.rows;
  }

  // The origin is the earliest start: when an earlier span arrives, everything is later by that much.
  #shift(by, origin) {
    for (let row = 0; row < this.size; row++) {
      this.start[row] += by;
      this.end[row] += by;
      this.received[row] += by;
    }
    this.lastEnd += by;
    this.origin = origin;
  }

  /** Finds out what only all rows say together: whether a root is open, what was measured in rows that are left out, and how calls went
   *  whose work was put off. The spans of those end at once, and what they asked for runs later: below them, or in a row beside them that
   *  takes it up and whose link says whose it is. */
  settle() {
    for (const found of [this.deferred, this.measured, this.resumes]) found.clear();
    this.hasOpenRoot = false;
    for (let row = 0; row < this.size; row++) {
      const parent = this.parent[row];
      const flags = this.flags[row];
      if (parent === NONE && this.known[row] === 1 && (flags & FLAG.ENDED) === 0) this.hasOpenRoot = true;
      if (parent >= this.size) continue;
      if ((flags & FLAG.PASSTHROUGH) !== 0) {
        if ((flags & FLAG.METRICS) !== 0) add(this.measured, parent, row);
        if (this.nameOf(row).startsWith("resume ")) add(this.resumes, parent, row);
      }
      if ((this.flags[parent] & FLAG.PENDING) !== 0 && this.start[row] >= this.end[parent]) this.#defer(parent, row);
    }
    for (const [row, call] of this.resumed) this.#defer(call, row);
  }

  #defer(call, row) {
    const work = this.deferred.get(call) ?? { end: 0, received: 0, isOpen: false, hasFailed: false };
    work.end = Math.max(work.end, this.end[row] || this.start[row]);
    work.received = Math.max(work.received, this.received[row]);
    work.isOpen ||= (this.flags[row] & FLAG.ENDED) === 0;
    work.hasFailed ||= (this.flags[row] & FLAG.ERROR) !== 0 && (this.flags[row] & (FLAG.BLOCKED | FLAG.CANCELED)) === 0;
    this.deferred.set(call, work);
  }

  /** Says that a row took up the work of the call with this id; whether that is news. */
  resume(id, row) {
    const call = this.find(id);
    if (call < 0 || this.resumed.get(row) === call) return false;
    this.resumed.set(row, call);
    return true;
  }

  /** The rows of which one may have taken up the work of a call, as long as nothing is known of it. */
  resumesBeside(row) {
    return this.isPending(row) ? (this.resumes.get(this.parent[row]) ?? []) : [];
  }

  nameOf(row) {
    return this.names[this.name[row]] ?? "…";
  }

  /** The span's id, 16 hexadecimal digits. */
  idOf(row) {
    return this.hi[row].toString(16).padStart(8, "0") + this.lo[row].toString(16).padStart(8, "0");
  }

  /** The row of an id, or -1. */
  find(id) {
    if (!/^[0-9a-f]{16}$/.test(id)) return -1;
    const hi = Number.parseInt(id.slice(0, 8), 16);
    const lo = Number.parseInt(id.slice(8), 16);
    for (let row = 0; row < this.size; row++) if (this.lo[row] === lo && this.hi[row] === hi && this.known[row] === 1) return row;
    return -1;
  }

  has(row, flag) {
    return (this.flags[row] & flag) !== 0;
  }

  /** Whether it failed, or an error began in it although its own span says nothing of that. */
  isFailed(row) {
    const flags = this.flags[row];
    if ((flags & FLAG.CHECK_FAILED) !== 0) return true;
    if ((flags & (FLAG.BLOCKED | FLAG.CANCELED)) !== 0) return false;
    return (flags & (FLAG.ERROR | FLAG.ERROR_ORIGIN)) !== 0 || this.deferred.get(row)?.hasFailed === true;
  }

  isOpenEnded(row) {
    return (this.flags[row] & FLAG.ENDED) === 0 || this.deferred.get(row)?.isOpen === true;
  }

  /** The rows whose metrics are its own: those of a command are measured where it runs, in a row that is passed through. */
  measuredIn(row) {
    const below = this.measured.get(row) ?? [];
    return this.has(row, FLAG.METRICS) ? [row, ...below] : below;
  }

  /** Whether its result has still to be worked out. */
  isPending(row) {
    return (this.flags[row] & FLAG.PENDING) !== 0 && !this.deferred.has(row);
  }

  #isLost(row, now) {
    return this.isFinished || now - Math.max(this.received[row], this.deferred.get(row)?.received ?? 0) > LOST_AFTER_MS;
  }

  /** In one word: running, lost, cancelled, failed or succeeded. `now` is an offset to the origin. */
  stateOf(row, now) {
    if (this.isOpenEnded(row)) return this.#isLost(row, now) ? "lost" : "running";
    if (this.isFailed(row)) return "failed";
    if (this.has(row, FLAG.CANCELED)) return "cancelled";
    return this.has(row, FLAG.BLOCKED) ? "blocked" : "succeeded";
  }

  /** Where its bar ends: of a lost span where it was last heard of. */
  endOf(row, now) {
    const start = this.start[row];
    const work = this.deferred.get(row);
    if (!this.isOpenEnded(row)) return Math.max(this.end[row], start, work?.end ?? 0);
    if (!this.#isLost(row, now)) return Math.max(start, now);
    const heard = Math.max(start, this.received[row], work?.received ?? 0);
    // What outlived its run by its telemetry alone ends with the run.
    return this.hasOpenRoot ? heard : Math.min(heard, Math.max(this.lastEnd, start));
  }
}

function add(map, key, row) {
  const rows = map.get(key);
  if (rows === undefined) map.set(key, [row]);
  else rows.push(row);
}
