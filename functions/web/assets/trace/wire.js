// Decodes an answer of `…/outline`: rows in columns, little-endian, then names. Columns stay views of the answer's bytes.

export const NONE = 0xffffffff;

const MAGIC = 0x314f5451; // "QTO1"
const HEADER = 40;
const BYTES_PER_ROW = 3 * 8 + 8 * 4;

export class WireError extends Error {}

/** One answer. `numbering` changes when rows are counted anew; the server says so by `isReset` as well. */
export function decode(buffer) {
  const bytes = buffer.byteLength;
  if (bytes < HEADER) throw new WireError("the outline is cut off");
  const view = new DataView(buffer);
  const u32 = (at) => view.getUint32(at, true);
  if (u32(0) !== MAGIC) throw new WireError("the outline is of another version: reload the page");
  const rows = u32(4);
  const names = u32(16);
  const bits = u32(36);
  if (rows * BYTES_PER_ROW + names * 4 > bytes - HEADER) throw new WireError("the outline is cut off");
  let at = HEADER;
  const f64 = () => new Float64Array(buffer, (at += rows * 8) - rows * 8, rows);
  const word = () => new Uint32Array(buffer, (at += rows * 4) - rows * 4, rows);
  const answer = {
    rows,
    first: u32(8),
    total: u32(12),
    firstName: u32(20),
    origin: view.getFloat64(24, true),
    cursor: u32(32),
    isFinished: (bits & 1) !== 0,
    isReset: (bits & 2) !== 0,
    hasMore: (bits & 4) !== 0,
    numbering: bits >>> 16,
    start: f64(),
    end: f64(),
    received: f64(),
    row: word(),
    hi: word(),
    lo: word(),
    parent: word(),
    name: word(),
    flags: word(),
    logs: word(),
    children: word(),
    names: [],
  };
  answer.names = decodeNames(view, at, names);
  return answer;
}

function decodeNames(view, at, count) {
  const decoder = new TextDecoder();
  const names = new Array(count);
  let text = at + count * 4;
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(at + i * 4, true);
    if (text + length > view.byteLength) throw new WireError("the outline's names are cut off");
    names[i] = decoder.decode(new Uint8Array(view.buffer, text, length));
    text += length;
  }
  return names;
}
