// The trace page: holds model, tree, list, strip and search together, and what the reader chose.

import { Boxes } from "./boxes.js";
import { copy, h, setText } from "./dom.js";
import { downloadButton } from "./download.js";
import { Feed } from "./feed.js";
import { Flame } from "./flame.js";
import { count, counted, duration } from "./format.js";
import { TimeFrame } from "./frame.js";
import { bindKeys } from "./keyboard.js";
import { List } from "./list.js";
import { FLAG, Model } from "./model.js";
import { fillRow, makeRow } from "./row.js";
import { Search } from "./search.js";
import { Spans } from "./spans.js";
import { CLOSED, INSIDE, OPENED, Tree } from "./tree.js";

const OPEN_AT_FIRST = 3;
const MOST_KEPT = 500;
const MOST_ORIGINS = 100;
const narrow = matchMedia("(max-width: 720px)");

// The span, and perhaps the line of its log, that an address names.
function wantedBy(href) {
  const { searchParams, hash } = new URL(href);
  return { id: (searchParams.get("span") ?? "").toLowerCase(), line: Number(/^#L(\d+)$/.exec(hash)?.[1] ?? 0) || null };
}

export class TracePage {
  constructor(mount, api) {
    Object.assign(this, { mount, api, trace: mount.dataset.trace ?? mount.dataset.base.split("/").at(-1) });
    this.model = new Model();
    this.tree = new Tree(this.model);
    this.choices = new Uint8Array(0);
    this.boxes = new Boxes(this);
    this.frame = new TimeFrame();
    this.wanted = new Set();
    this.active = -1;
    this.showsAll = false;
    this.critical = null;
    this.origins = null;
    this.askedOrigins = 0;
    this.isFollowing = false;
    this.kept = null;
    this.opened = new Set();
    this.running = mount.dataset.running;
    this.spans = new Spans(api, this.model, { onRead: (isNews) => (isNews ? this.rebuild() : this.list.draw()) });
    this.search = new Search(api, this.model, { onHits: () => this.list.draw(), onMove: (row) => this.goTo(row), orderOf: (row) => (this.tree.at[row] >= 0 ? this.tree.at[row] : Number.MAX_SAFE_INTEGER) });
    this.flame = new Flame({ onZoom: (row) => this.zoom(row), signal: this.#life.signal });
    this.#build();
    this.asked = wantedBy(location.href);
    if (this.asked.id === "") this.asked.id = mount.dataset.span ?? "";
    this.feed = new Feed(api, this.model, {
      rows: (isComplete) => this.#came(isComplete),
      beat: () => this.#isWell(),
      reset: () => this.#forget(),
      tick: () => this.#tick(),
      error: (error, retryIn) => {
        this.isTroubled = true;
        this.#explain(error, retryIn);
      },
    }, this.#life.signal);
    bindKeys(this, this.#life.signal);
    // Somebody follows a link to another line of this trace.
    addEventListener("hashchange", () => {
      // Unless the line is one of the page itself.
      if (document.getElementById(location.hash.slice(1)) !== null) return;
      this.asked = wantedBy(location.href);
      if (this.isLoaded) this.#openFirst();
    }, { signal: this.#life.signal });
    this.feed.now();
  }

  // Whatever listens to more than the page's own elements ends with this.
  #life = new AbortController();
  #cost = 0;
  #timer = null;
  #isFresh = true;
  #remembering = null;

  #build() {
    const toggle = (text, title, act) => {
      const button = h("button", { type: "button", class: "tr-switch", "aria-pressed": "false", title, text });
      button.addEventListener("click", () => act(button.getAttribute("aria-pressed") !== "true", button));
      return button;
    };
    this.progress = h("p", { class: "tr-progress" });
    this.meter = h("progress", { class: "tr-meter", max: "1", "aria-label": "Spans read", hidden: true });
    this.problem = h("p", { class: "tr-problem", role: "alert", hidden: true });
    this.followButton = toggle("Follow", "Keep the end in sight while it runs", (isOn) => this.follow(isOn));
    this.followButton.hidden = true;
    this.internalButton = toggle("Internal", "Show internal and pass-through spans too", (isOn, button) => {
      button.setAttribute("aria-pressed", String(isOn));
      this.showsAll = isOn;
      this.rebuild();
      this.#tell();
    });
    this.criticalButton = toggle("Critical path", "Mark the spans that decided how long it took", (isOn) => this.#toggleCritical(isOn));
    const fold = h("button", { type: "button", text: "Fold all", title: "Fold everything but failures" });
    fold.addEventListener("click", () => {
      this.choices.fill(0);
      this.boxes.closeAll();
      this.#show();
    });
    const id = h("button", { type: "button", text: "Copy trace id" });
    id.addEventListener("click", async () => {
      id.textContent = (await copy(this.trace)) ? "Copied" : "Not copied";
      setTimeout(() => { id.textContent = "Copy trace id"; }, 2000);
    });
    const save = downloadButton(this.api, `trace-${this.trace}.jsonl`, (message) => this.#explain(new Error(message), null));
    const bar = h("div", { class: "tr-bar-top" }, this.search.element, h("span", { class: "grow" }), this.followButton, this.criticalButton, this.internalButton, fold, id, save);
    const head = h("div", { class: "tr-head", role: "row" }, h("span", { class: "tr-head-name", role: "columnheader", text: "Span" }), this.frame.axis);
    this.list = new List({
      label: "Spans",
      head,
      make: () => makeRow(),
      fill: (made, row) => fillRow(made, row, this.view),
      height: (row) => (narrow.matches ? 44 : 28) + (this.hasError(row) ? 22 : 0),
      onView: (rows) => this.spans.want(rows),
      onScroll: () => this.follow(false),
    });
    this.list.element.addEventListener("click", (event) => this.#clicked(event));
    this.list.element.addEventListener("focus", () => {
      if (this.active < 0 && this.list.rows.length > 0) this.select(this.list.rows[0], { isQuiet: true });
    });
    narrow.addEventListener("change", () => this.#show(), { signal: this.#life.signal });
    this.empty = h("p", { class: "absence tr-empty", text: "Waiting for the first span…" });
    this.element = h("div", { class: "tr" }, this.flame.element, bar, h("div", { class: "tr-status" }, this.progress, this.meter), this.problem, this.empty, this.list.element);
    this.list.element.hidden = true;
    document.addEventListener("click", (event) => this.#followLink(event), { signal: this.#life.signal });
  }

  /** Goes on in another place of the document. */
  moveIn(mount) {
    this.mount = mount;
    if (!this.#isFresh) mount.replaceChildren(this.element);
  }

  /** What the server says of the trace meanwhile: one that was taken for over may go on. */
  hear(running) {
    if (this.running === running) return;
    this.running = running;
    this.feed.now();
  }

  /** Ends it for good: its place in the document is for another trace now, and so is the address. */
  stop() {
    this.#life.abort();
    this.api.stop();
    clearTimeout(this.#timer);
    clearTimeout(this.#remembering);
    this.boxes.dispose();
    this.element.remove();
    const address = new URL(location.href);
    if (!address.searchParams.has("span")) return;
    address.searchParams.delete("span");
    address.hash = "";
    history.replaceState(history.state, "", address);
  }

  /* ---- what comes from the server ---- */

  #came(isComplete) {
    const { model } = this;
    if (this.#isFresh && (model.count > 0 || isComplete)) {
      this.#isFresh = false;
      this.mount.replaceChildren(this.element);
      performance.mark("quillon-first-rows");
      if (!model.isFinished && this.asked.id === "") this.follow(true);
      this.#rebuildNow(isComplete);
      return;
    }
    // A build costs as much as the trace is large: it takes no more than an eighth of the time.
    if (isComplete && this.#timer !== null) clearTimeout(this.#timer);
    else if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#rebuildNow(isComplete), isComplete && this.#cost < 100 ? 0 : this.#cost * 8);
  }

  async #rebuildNow(isComplete) {
    this.#timer = null;
    this.rebuild();
    this.search.refresh();
    if (isComplete && this.feed.isComplete && !this.isLoaded) {
      this.isLoaded = true;
      performance.mark("quillon-all-rows");
      this.element.dataset.loaded = "1";
    }
    this.#recall();
    this.#tell();
    const asking = isComplete ? this.#askOrigins() : null;
    if (this.asked.id === "") await asking;
    this.#openFirst();
    this.boxes.refresh();
  }

  // Rows are counted anew: what the reader chose is kept under the spans' ids until they are here again.
  #forget() {
    const { model } = this;
    const id = (row) => (row >= 0 && row < model.size ? model.idOf(row) : "");
    const chosen = [];
    for (let row = 0; row < model.size && chosen.length < MOST_KEPT; row++) if (this.choices[row] !== 0) chosen.push([id(row), this.choices[row]]);
    this.kept = { chosen, boxes: this.boxes.tabs().map(([row, tab]) => [id(row), tab]), active: id(this.active), zoomed: id(this.frame.zoomed) };
    this.boxes.closeAll();
    this.choices.fill(0);
    this.wanted.clear();
    this.spans.clear();
    this.search.forget();
    this.opened.clear();
    [this.active, this.frame.zoomed, this.critical, this.origins, this.askedOrigins] = [-1, -1, null, null, 0];
    this.tree = new Tree(new Model());
    this.list.show(new Uint32Array(0));
  }

  #recall() {
    const { kept, model } = this;
    if (kept === null || !this.feed.isComplete) return;
    this.kept = null;
    for (const [id, choice] of kept.chosen) {
      const row = model.find(id);
      if (row >= 0) this.choices[row] = choice;
    }
    this.active = model.find(kept.active);
    this.frame.zoomed = model.find(kept.zoomed);
    this.#frameTime();
    this.#show();
    for (const [id, tab] of kept.boxes) if (model.find(id) >= 0) this.boxes.open(model.find(id), tab);
  }

  // Nothing came: clocks go on, and logs of open boxes.
  #tick() {
    if (this.model.isFinished) return;
    this.#frameTime();
    this.list.draw();
    this.flame.show(this.view, this.frame.zoomed);
    this.boxes.refresh();
  }

  // What a link asked for, or the first failures.
  #openFirst() {
    if (this.asked.id !== "") {
      const row = this.model.find(this.asked.id);
      if (row >= 0) {
        const { line } = this.asked;
        this.asked.id = "";
        this.goTo(row, { tab: line === null ? undefined : "logs", opens: true, line });
      } else if (this.isLoaded) {
        this.asked.id = "";
        this.#explain(new Error("the span of this address is not in this trace"), null);
      }
      this.hasOpened = true;
      return;
    }
    if (this.hasOpened || !this.isLoaded) return;
    const { model } = this;
    let opened = 0;
    for (const row of this.list.rows) {
      if (opened === OPEN_AT_FIRST) break;
      if (!this.hasError(row) || model.logs[row] === 0) continue;
      this.boxes.open(row, "logs");
      opened += 1;
    }
    if (opened > 0 || model.isFinished) this.hasOpened = true;
  }

  // The connection is back; what else there is to say stays.
  #isWell() {
    if (this.isTroubled) this.problem.hidden = true;
    this.isTroubled = false;
  }

  #explain(error, retryIn) {
    this.problem.hidden = false;
    const parts = [`${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}. `];
    if (retryIn !== null) parts.push(`Trying again in ${duration(retryIn)}. `, h("button", { type: "button", text: "Try now", on: { click: () => this.feed.now() } }));
    this.problem.replaceChildren(...parts);
    if (this.problem.isConnected) return;
    this.mount.append(this.problem);
  }

  #tell() {
    const { model } = this;
    const isPart = model.count < model.total;
    this.meter.hidden = !isPart;
    if (isPart) this.meter.value = model.count / model.total;
    const shown = this.tree.hidden > 0 && !this.showsAll ? `, ${counted(this.tree.hidden, "internal one")} left out` : "";
    setText(this.progress, isPart ? `${count(model.count)} of ${counted(model.total, "span")}` : `${counted(model.total, "span")}${shown}${model.isFinished ? "" : ", running"}`);
    this.followButton.hidden = model.isFinished;
    this.empty.hidden = model.count > 0;
    if (model.isFinished) setText(this.empty, "This trace has no spans.");
  }

  /* ---- tree and list ---- */

  /** Makes the tree anew from what is known and what the reader chose. */
  rebuild() {
    const started = performance.now();
    if (this.choices.length < this.model.size) {
      const wider = new Uint8Array(this.model.capacity);
      wider.set(this.choices);
      this.choices = wider;
    }
    const before = this.tree;
    this.model.settle();
    this.tree = new Tree(this.model, { showsAll: this.showsAll, wanted: this.wanted });
    if (this.model.count > 0) this.list.element.hidden = false;
    this.#keepOpen(before);
    this.#frameTime();
    this.#show();
    this.#cost = performance.now() - started;
    performance.measure("quillon-build", { start: started, end: performance.now() });
  }

  // Nothing folds under a reader's eyes: what was open by itself stays open, unless the end is followed.
  #keepOpen(before) {
    if (this.isFollowing || before.size === 0) return;
    for (const row of this.list.rows) {
      if (row >= before.size || !before.isShown(row) || this.choices[row] !== 0 || before.childCount(row) === 0) continue;
      if (this.opened.has(row) && !this.tree.isOpenByItself(row)) this.choices[row] = OPENED;
    }
  }

  #show() {
    const rows = this.tree.visible(this.choices);
    this.view = this.#makeView();
    if (!this.model.isFinished) this.opened = new Set(Array.prototype.filter.call(rows, (row) => this.isOpen(row)));
    this.list.show(rows, { follow: this.isFollowing, parentOf: (row) => this.tree.parentOf(row) });
    this.flame.show(this.view, this.frame.zoomed);
    this.frame.draw();
  }

  #makeView() {
    const page = this;
    return {
      model: this.model,
      tree: this.tree,
      deepest: narrow.matches ? 8 : 24,
      get now() { return page.frame.at; },
      get from() { return page.frame.from; },
      get to() { return page.frame.to; },
      get active() { return page.active; },
      get hits() { return page.search.hits; },
      get critical() { return page.critical; },
      isOpen: (row) => this.isOpen(row),
      spanOf: (row) => this.spans.of(row),
      hasError: (row) => this.hasError(row),
    };
  }

  #frameTime() {
    this.frame.fit(this.model, this.tree, this.now());
  }

  /** Now, as an offset to the earliest start. */
  now() {
    return this.api.now() - this.model.origin;
  }

  isOpen(row) {
    return this.tree.childCount(row) > 0 && (this.choices[row] === OPENED || (this.choices[row] !== CLOSED && this.tree.isOpenByItself(row)));
  }

  /** Whether the row says below its name what went wrong: where an error began as the server sees it, else where nothing below failed. */
  hasError(row) {
    if (!this.model.isFailed(row)) return false;
    return this.origins?.has(row) ?? (this.tree.inside[row] & INSIDE.FAILURE) === 0;
  }

  // Asks where the errors began when there are others than before; senders without links mark every failed row.
  async #askOrigins() {
    if (this.tree.failures === 0 || this.tree.failures === this.askedOrigins) return;
    this.askedOrigins = this.tree.failures;
    try {
      const { errors } = await this.api.json("insight");
      // A list that was cut says nothing of the others.
      this.origins = errors.length > 0 && errors.length < MOST_ORIGINS ? new Set(errors) : null;
      this.#show();
    } catch {
      // What the rows say of themselves will do.
    }
  }

  hasLogs(row) {
    return this.model.logs[row] > 0 || this.model.has(row, FLAG.ROLLUP_LOGS) || this.tree.childCount(row) > 0;
  }

  follow(isOn) {
    if (this.isFollowing === isOn) return;
    this.isFollowing = isOn;
    this.followButton.setAttribute("aria-pressed", String(isOn));
    if (isOn && this.list.rows.length > 0) this.#show();
  }

  /* ---- what the reader does ---- */

  #clicked(event) {
    if (!(event.target instanceof Element) || event.target.closest(".tr-box-row")) return;
    const element = event.target.closest(".tr-row");
    if (element === null) return;
    const row = this.model.find(element.id.slice(3));
    if (row < 0) return;
    const act = event.target.closest("[data-act]")?.dataset.act;
    this.list.element.focus({ preventScroll: true });
    this.select(row);
    if (act === "twist") this.toggle(row);
    else if (getSelection()?.isCollapsed ?? true) this.boxes.toggle(row, act);
  }

  // Links to spans elsewhere on the page lead here without a reload.
  #followLink(event) {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (link === null || this.element.contains(link)) return;
    const address = new URL(link.href);
    const id = address.searchParams.get("span");
    if (id === null || address.origin !== location.origin || address.pathname !== location.pathname) return;
    if (this.goToId(id)) event.preventDefault();
  }

  goToId(id) {
    const row = this.model.find(String(id).toLowerCase());
    if (row < 0) return false;
    this.goTo(row, { opens: true });
    this.list.element.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** Shows a row, whatever hides it, and goes there. */
  goTo(row, { opens = false, tab, line = null } = {}) {
    this.follow(false);
    if (!this.tree.isShown(row)) {
      this.wanted.add(row);
      this.rebuild();
    }
    for (const above of this.tree.ancestors(row)) this.choices[above] = OPENED;
    this.#show();
    this.select(row);
    if (opens) this.boxes.open(row, tab, line);
    this.list.reveal(row, "center");
  }

  select(row, { isQuiet = false } = {}) {
    this.active = row;
    this.list.draw();
    this.list.element.setAttribute("aria-activedescendant", `tr-${this.model.idOf(row)}`);
    if (!isQuiet) this.remember(row);
  }

  /** Puts a span, and perhaps a line of its log, into the address. */
  remember(row, line = null) {
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => history.replaceState(history.state, "", this.address(row, line)), 200);
  }

  address(row, line = null) {
    const address = new URL(location.href);
    address.searchParams.set("span", this.model.idOf(row));
    address.hash = line === null ? "" : `L${line}`;
    return address.href;
  }

  move(by) {
    const { rows } = this.list;
    if (rows.length === 0) return;
    const at = this.active < 0 ? -1 : this.list.indexOf(this.active);
    this.moveTo(at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1));
  }

  moveTo(index) {
    const { rows } = this.list;
    if (rows.length === 0) return;
    const row = rows[index < 0 ? rows.length - 1 : index];
    this.follow(false);
    this.list.element.focus({ preventScroll: true });
    this.active = row;
    this.list.reveal(row);
    this.select(row);
  }

  pageful() {
    return Math.max(1, Math.floor(this.list.element.clientHeight / (narrow.matches ? 44 : 28)) - 2);
  }

  inward() {
    const { active } = this;
    if (active < 0 || this.tree.childCount(active) === 0) return;
    if (!this.isOpen(active)) this.toggle(active);
    else this.move(1);
  }

  outward() {
    const { active } = this;
    if (active < 0) return;
    if (this.isOpen(active)) this.toggle(active);
    else if (this.tree.parentOf(active) >= 0) this.moveTo(this.list.indexOf(this.tree.parentOf(active)));
  }

  toggle(row) {
    if (row < 0 || this.tree.childCount(row) === 0) return;
    this.follow(false);
    this.choices[row] = this.isOpen(row) ? CLOSED : OPENED;
    this.#show();
  }

  nextFailure() {
    const { tree } = this;
    const from = this.active >= 0 ? tree.at[this.active] : -1;
    for (let i = 1; i <= tree.count; i++) {
      const row = tree.order[(from + i) % tree.count];
      if (this.hasError(row)) return this.goTo(row);
    }
    return undefined;
  }

  zoom(row) {
    this.frame.zoomed = row;
    this.#frameTime();
    if (row >= 0) this.goTo(row);
    else this.#show();
  }

  async #toggleCritical(isOn) {
    if (!isOn) this.critical = null;
    else {
      try {
        const { critical } = await this.api.json("insight");
        this.critical = new Set(critical);
        for (const row of critical.slice(0, 2000)) if (row < this.tree.size) for (const above of this.tree.ancestors(row)) this.choices[above] = OPENED;
      } catch (error) {
        this.#explain(error, null);
      }
    }
    this.criticalButton.setAttribute("aria-pressed", String(this.critical !== null));
    this.#show();
  }
}
