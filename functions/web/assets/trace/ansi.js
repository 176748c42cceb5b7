// Terminal output as lines of styled runs: SGR colors and styles (ECMA-48), OSC 8 links, carriage returns, backspaces, erased and
// rewritten lines. Everything else that is not text is dropped. The result is characters and names of classes out of a closed list.

import { plain, webAddress } from "./dom.js";

const MOST_LINE = 16_384;
const MOST_PENDING = 4096;

/** A line: its runs, when it began, and who wrote it. */
export class Line {
  constructor(source) {
    this.source = source;
    this.runs = [];
    this.length = 0;
    this.cut = 0;
    // Whether the next text begins the line anew, as a carriage return asks.
    this.isRewound = false;
    this.cached = null;
  }

  get text() {
    this.cached ??= this.runs.map((run) => run.text).join("");
    return this.cached;
  }

  clear() {
    this.runs = [];
    this.length = 0;
    this.cut = 0;
    this.cached = null;
    this.isRewound = false;
  }

  put(text, className, href) {
    if (this.isRewound) this.clear();
    this.cached = null;
    const room = MOST_LINE - this.length;
    const kept = text.length <= room ? text : text.slice(0, Math.max(0, room));
    this.cut += text.length - kept.length;
    if (kept === "") return;
    this.length += kept.length;
    const last = this.runs.at(-1);
    if (last !== undefined && last.className === className && last.href === href) last.text += kept;
    else this.runs.push({ text: kept, className, href });
  }

  backspace() {
    const last = this.runs.at(-1);
    if (last === undefined) return;
    this.cached = null;
    last.text = last.text.slice(0, -1);
    this.length -= 1;
    if (last.text === "") this.runs.pop();
  }
}

const CUBE = [0, 95, 135, 175, 215, 255];
const NAMED = [[0, 0, 0], [170, 0, 0], [0, 170, 0], [170, 110, 0], [0, 0, 170], [170, 0, 170], [0, 170, 170], [170, 170, 170], [85, 85, 85], [255, 85, 85], [85, 255, 85], [255, 255, 85], [85, 85, 255], [255, 85, 255], [85, 255, 255], [255, 255, 255]];

// The nearest of the sixteen colors that have a legible shade in both schemes.
function nearest(r, g, b) {
  let best = 7;
  let least = Infinity;
  for (const [index, [x, y, z]] of NAMED.entries()) {
    const distance = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
    if (distance < least) {
      least = distance;
      best = index;
    }
  }
  return best;
}

function indexed(index) {
  if (!(index >= 0 && index <= 255)) return null;
  if (index < 16) return index;
  if (index >= 232) return nearest(...Array(3).fill(8 + (index - 232) * 10));
  const cube = index - 16;
  return nearest(CUBE[Math.floor(cube / 36)], CUBE[Math.floor(cube / 6) % 6], CUBE[cube % 6]);
}

class Style {
  constructor() {
    this.reset();
  }

  reset() {
    this.foreground = null;
    this.background = null;
    this.bold = this.dim = this.italic = this.underline = this.inverse = this.strike = this.hidden = false;
    this.name = "";
  }

  apply(parameters) {
    const codes = parameters === "" ? [0] : parameters.split(/[;:]/, 64).map((code) => (code === "" ? 0 : Number(code)));
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) this.reset();
      else if (code === 1) this.bold = true;
      else if (code === 2) this.dim = true;
      else if (code === 3) this.italic = true;
      else if (code === 4 || code === 21) this.underline = true;
      else if (code === 7) this.inverse = true;
      else if (code === 9) this.strike = true;
      else if (code === 22) this.bold = this.dim = false;
      else if (code === 23) this.italic = false;
      else if (code === 24) this.underline = false;
      else if (code === 27) this.inverse = false;
      else if (code === 29) this.strike = false;
      else if (code >= 30 && code <= 37) this.foreground = code - 30;
      else if (code === 39) this.foreground = null;
      else if (code >= 40 && code <= 47) this.background = code - 40;
      else if (code === 49) this.background = null;
      else if (code >= 90 && code <= 97) this.foreground = code - 82;
      else if (code >= 100 && code <= 107) this.background = code - 92;
      else if (code === 38 || code === 48) {
        let color = null;
        if (codes[i + 1] === 5) {
          color = indexed(codes[i + 2]);
          i += 2;
        } else if (codes[i + 1] === 2) {
          color = nearest(codes[i + 2] || 0, codes[i + 3] || 0, codes[i + 4] || 0);
          i += 4;
        }
        if (code === 38) this.foreground = color;
        else this.background = color;
      }
    }
    this.name = this.#className();
  }

  #className() {
    const [foreground, background] = this.inverse ? [this.background, this.foreground] : [this.foreground, this.background];
    const names = [];
    if (foreground !== null) names.push(`f${foreground}`);
    if (background !== null) names.push(`g${background}`);
    for (const name of ["bold", "dim", "italic", "underline", "strike"]) if (this[name]) names.push(name);
    if (this.inverse && foreground === null && background === null) names.push("inverse");
    return names.join(" ");
  }
}

// Text up to the next character that means something.
const TEXT = /[^\x00-\x08\x0a-\x1f\x7f-\x9f]+/y;
const CSI = /\x1b\[([0-9;:?<=>!]*)([ -/]*)([@-~])/y;
const OSC = /\x1b\]([^\x07\x1b]*)(?:\x07|\x1b\\)/y;
// Strings of other kinds (DCS, PM, APC, SOS), and escapes of two or three characters.
const STRING = /\x1b[PX^_][^\x1b]*\x1b\\/y;
const SHORT = /\x1b[ -/]*[0-Z\\`-~]/y;

/** Writes of one program, in their order, to lines. `begin(line)` is told every new line; a line may change until the end. */
export class Terminal {
  #style = new Style();
  #href = null;
  #pending = "";
  #recent = [];
  // The line at which the cursor is; the one after the last is made when something is written to it.
  #at = 0;

  constructor(source, begin) {
    this.source = source;
    this.begin = begin;
  }

  #line() {
    if (this.#at >= this.#recent.length) {
      const line = new Line(this.source);
      this.#recent.push(line);
      // Cursors go up in what a program just wrote, not in all that it ever wrote.
      if (this.#recent.length > 200) this.#recent.splice(0, 100);
      this.#at = this.#recent.length - 1;
      this.begin(line);
    }
    return this.#recent[this.#at];
  }

  #goTo(at) {
    this.#at = Math.min(Math.max(at, 0), this.#recent.length);
    if (this.#at < this.#recent.length) this.#recent[this.#at].isRewound = true;
  }

  write(text) {
    const all = this.#pending + text;
    this.#pending = "";
    let at = 0;
    const match = (pattern) => {
      pattern.lastIndex = at;
      const found = pattern.exec(all);
      if (found !== null) at = pattern.lastIndex;
      return found;
    };
    while (at < all.length) {
      const found = match(TEXT);
      if (found !== null) {
        this.#line().put(plain(found[0]), this.#style.name, this.#href);
        continue;
      }
      const code = all.charCodeAt(at);
      if (code === 0x1b) {
        if (this.#escape(match)) continue;
        // The rest of it may come with the next write.
        if (all.length - at < MOST_PENDING && this.#isUnfinished(all, at)) {
          this.#pending = all.slice(at);
          return;
        }
      }
      at += 1;
      if (code === 0x0a) this.#newLine();
      else if (code === 0x0d) {
        // Kept until something else is written, so that a last frame stays readable.
        if (all.charCodeAt(at) !== 0x0a && this.#at < this.#recent.length) this.#line().isRewound = true;
      } else if (code === 0x08) this.#line().backspace();
    }
  }

  #isUnfinished(all, at) {
    const rest = all.slice(at + 1);
    if (rest === "") return true;
    if (rest[0] === "[") return /^\[[0-9;:?<=>! -/]*$/.test(rest);
    return /^[\]PX^_]/.test(rest) && !/[\x07\x9c]/.test(rest);
  }

  #newLine() {
    const line = this.#line();
    line.isRewound = false;
    this.#goTo(this.#at + 1);
  }

  #escape(match) {
    const csi = match(CSI);
    if (csi !== null) {
      this.#control(csi[1], csi[3]);
      return true;
    }
    const osc = match(OSC);
    if (osc !== null) {
      const link = /^8;[^;]*;(.*)$/s.exec(osc[1]);
      if (link !== null) this.#href = link[1] === "" ? null : webAddress(link[1]);
      return true;
    }
    return match(STRING) !== null || match(SHORT) !== null;
  }

  #control(parameters, final) {
    const number = Number.parseInt(parameters, 10) || 0;
    if (final === "m") this.#style.apply(parameters);
    else if (final === "K") {
      // To the left or all: gone. To the right: what a carriage return left is gone too.
      const line = this.#recent[this.#at];
      if (number > 0 || line?.isRewound) line?.clear();
    } else if (final === "J") {
      // What is below the cursor is written anew.
      for (const line of this.#recent.slice(number > 0 ? 0 : this.#at + 1)) line.clear();
    } else if (final === "G" && number <= 1) this.#goTo(this.#at);
    else if (final === "A" || final === "F") this.#goTo(this.#at - Math.max(1, number));
    else if (final === "B" || final === "E") this.#goTo(this.#at + Math.max(1, number));
  }
}
