// Brings the tree of a trace to life where the page has a place for it. The page of a check gets one when the first records came,
// and a page that is refreshed may get another: the tree moves there.

import { Api } from "./api.js";
import { TracePage } from "./page.js";

let page = null;

function mount() {
  const place = document.getElementById("trace");
  if (!place?.dataset.base || place === page?.mount) return;
  if (page === null) page = new TracePage(place, new Api(place.dataset.base, place.dataset.share));
  else if (page.mount.dataset.base === place.dataset.base) page.moveIn(place);
}

mount();
new MutationObserver(mount).observe(document.getElementById("main") ?? document.body, { childList: true, subtree: true });
