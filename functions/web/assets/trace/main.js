// Brings the tree of a trace to life where the page has a place for it. The page of a check gets one when the first records came;
// a page that is refreshed may get another one, to which the tree moves, or that of another attempt's trace.

import { Api } from "./api.js";
import { TracePage } from "./page.js";

let page = null;

function mount() {
  const place = document.getElementById("trace");
  const base = place?.dataset.base;
  if (page !== null && page.api.base !== base) {
    page.stop();
    page = null;
  }
  if (!base) return;
  if (page === null) page = new TracePage(place, new Api(base, place.dataset.share));
  else if (place !== page.mount) page.moveIn(place);
  else page.hear(place.dataset.running);
}

mount();
// What the server says of the trace is in attributes of its place.
new MutationObserver(mount).observe(document.getElementById("main") ?? document.body, { childList: true, subtree: true, attributeFilter: ["data-base", "data-running"] });
