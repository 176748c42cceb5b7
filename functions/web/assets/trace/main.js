// Brings the tree of a trace to life where the page has a place for it.

import { Api } from "./api.js";
import { TracePage } from "./page.js";

const mount = document.getElementById("trace");
if (mount?.dataset.base) new TracePage(mount, new Api(mount.dataset.base, mount.dataset.share));
