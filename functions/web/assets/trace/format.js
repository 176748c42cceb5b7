// Durations, times and counts as text.

/** `3m14s`, `1.2s`, `340ms`, `1h02m`. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "";
  const positive = Math.max(0, ms);
  if (positive < 1) return positive === 0 ? "0ms" : `${Math.max(1, Math.round(positive * 1000))}µs`;
  if (positive < 999.5) return `${Math.round(positive)}ms`;
  if (positive < 9950) return `${(positive / 1000).toFixed(1)}s`;
  const seconds = Math.round(positive / 1000);
  if (seconds < 60) return `${seconds}s`;
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d${two(Math.floor((seconds % 86_400) / 3600))}h`;
}

/** `12,345`. */
export function count(number) {
  return number.toLocaleString("en-US");
}

/** `1 span`, `2 spans`. */
export function counted(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** `1.4 MB`. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let number = Math.abs(bytes);
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1000;
    unit += 1;
  }
  const text = unit === 0 || number >= 100 ? Math.round(number) : number.toFixed(1);
  return `${bytes < 0 ? "-" : ""}${text} ${units[unit]}`;
}

/** A value of a metric with its unit. */
export function amount(value, unit) {
  if (unit === "byte" || unit === "By" || unit === "bytes") return size(value);
  if (unit === "us") return duration(value / 1000);
  if (unit === "ms") return duration(value);
  const text = Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(4)));
  return unit && unit !== "1" ? `${text} ${unit}` : text;
}

/** Steps for a time axis of so many milliseconds: at most `most` round ones. */
export function ticks(from, to, most) {
  const span = to - from;
  if (!(span > 0)) return [];
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 43_200_000, 86_400_000];
  let step = steps.find((step) => span / step <= most);
  if (span < 1) step = span / 2;
  step ??= Math.ceil(span / most / 86_400_000) * 86_400_000;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to && found.length <= most; at += step) found.push(at);
  return found;
}

const exactFormat = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short" });

/** An instant with its zone, in the reader's. */
export function exact(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? exactFormat.format(new Date(ms)) : "";
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

/** The time of day, `14:03:22.125`, in the reader's zone. */
export function clock(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? clockFormat.format(new Date(ms)) : "";
}
