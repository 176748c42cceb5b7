// Saves the whole trace as one file of OTLP JSON lines, read page by page.

import { h } from "./dom.js";
import { size } from "./format.js";

const MOST_TRIES = 4;

/** A button that downloads, says how far it is, and stops when pressed again. */
export function downloadButton(api, name, onError) {
  const button = h("button", { type: "button", title: "Download as OTLP JSON lines", text: "Download" });
  let controller = null;
  button.addEventListener("click", async () => {
    if (controller !== null) return controller.abort();
    controller = new AbortController();
    try {
      await save(await collect(api, controller.signal, (bytes) => { button.textContent = `${size(bytes)}, stop`; }), name);
    } catch (error) {
      if (error.name !== "AbortError") onError(`The download failed: ${error.message}`);
    } finally {
      controller = null;
      button.textContent = "Download";
    }
  });
  return button;
}

async function collect(api, signal, onProgress) {
  const parts = [];
  let bytes = 0;
  let after = null;
  do {
    const { blob, next } = await ask(api, after, signal);
    parts.push(blob);
    bytes += blob.size;
    onProgress(bytes);
    if (next !== null && next === after) break;
    after = next;
  } while (after !== null && after !== "");
  return new Blob(parts, { type: "application/x-ndjson" });
}

async function ask(api, after, signal) {
  for (let tries = 1; ; tries++) {
    try {
      return await api.part("download", { after }, { signal });
    } catch (error) {
      if (error.name === "AbortError" || tries === MOST_TRIES || (error.status >= 400 && error.status < 500 && error.status !== 429)) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? 500 * 2 ** tries));
    }
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
