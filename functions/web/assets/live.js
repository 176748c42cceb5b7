// Keeps the page fresh: asks for its main part again and changes only what differs, so that nothing jumps.

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const announcer = document.getElementById("announcer");
const here = new URL(location.href);

// The message of an action is shown once, not again after a reload.
if (here.searchParams.has("done")) {
  here.searchParams.delete("done");
  history.replaceState(history.state, "", here);
}

/* ---- changing the document in place ---- */

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && node.id ? node.id : null);
const sameKind = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
// What a reader has set stays as it is: folds, what is typed, what is ticked.
const owned = (element, name) =>
  (element.nodeName === "DETAILS" && name === "open") || (element.nodeName === "INPUT" && (name === "checked" || name === "value") && element.type !== "hidden");

function patchAttributes(old, fresh) {
  for (const { name, value } of [...fresh.attributes]) {
    if (!owned(old, name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!owned(old, name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  // What another script has built is its own; it only hears what the server says about it.
  if (old.hasAttribute("data-client")) {
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    return;
  }
  patchAttributes(old, fresh);
  // Lists of options and what is being typed are left alone while somebody is at them.
  if (old.contains(document.activeElement) && old.matches(".filter")) return;
  patchChildren(old, fresh);
}

function patchChildren(old, fresh) {
  const keyed = new Map();
  const wantedKeys = new Set([...fresh.childNodes].map(keyOf));
  for (const child of [...old.childNodes]) {
    if (!keyOf(child)) continue;
    if (wantedKeys.has(keyOf(child))) keyed.set(keyOf(child), child);
    else child.remove();
  }
  // The first old child that is not placed yet; everything before it is as it shall be.
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const match = find(wanted, at, keyed);
    if (!match) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    keyed.delete(keyOf(wanted));
    // What has no id gives way: a node that is moved forgets how far everything in it was scrolled.
    while (at !== match && keyOf(match) && !keyOf(at) && !at.contains(document.activeElement)) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    if (match === at) {
      at = at.nextSibling;
    } else if (match.contains(document.activeElement)) {
      // A node that is moved loses the focus: move the others around it.
      while (at !== match) {
        const other = at;
        at = at.nextSibling;
        old.insertBefore(other, match.nextSibling);
      }
      at = match.nextSibling;
    } else {
      old.insertBefore(match, at);
    }
    patch(match, wanted);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

// The old child that a wanted one continues: that of its id, or the next one of its kind that has no id.
function find(wanted, at, keyed) {
  const key = keyOf(wanted);
  if (key) {
    const match = keyed.get(key);
    return match && sameKind(match, wanted) ? match : null;
  }
  let candidate = at;
  while (candidate && keyOf(candidate)) candidate = candidate.nextSibling;
  return candidate && sameKind(candidate, wanted) ? candidate : null;
}

function show(html) {
  const fresh = new DOMParser().parseFromString(`<!doctype html><body><main>${html}</main>`, "text/html").querySelector("main");
  const log = document.getElementById("log");
  const atEnd = log && log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  const said = document.getElementById("announcement")?.textContent;
  patchChildren(main, fresh);
  const after = document.getElementById("log");
  if (after && (atEnd || !log)) after.scrollTop = after.scrollHeight;
  const say = document.getElementById("announcement")?.textContent;
  // Of a list only what changed is read out.
  const news = (say ?? "").split("; ").filter((part) => part && !(said ?? "").split("; ").includes(part));
  if (news.length > 0) announcer.textContent = news.join("; ");
  refreshTimes();
  // The window's title says how it stands, too.
  const title = main.querySelector("[data-title]")?.dataset.title;
  if (title) document.title = `${title} · Quillon`;
}

/* ---- times that go on between two answers ---- */

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}

function ago(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ago`;
  if (minutes < 2880) return "yesterday";
  if (minutes < 43200) return `${Math.floor(minutes / 1440)} days ago`;
  return null;
}

// The clocks of browser and server differ: what counts is the server's.
let skew = 0;
const serverNow = () => Date.now() + skew;
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function set(element, text) {
  if (text !== null && element.textContent !== text) element.textContent = text;
}

function refreshTimes() {
  const now = serverNow();
  for (const element of document.querySelectorAll("[data-since]")) set(element, duration(now - Number(element.dataset.since)));
  for (const element of document.querySelectorAll("time[data-ago]")) {
    set(element, ago(now - Number(element.dataset.ago)));
    const title = exact.format(new Date(Number(element.dataset.ago)));
    if (element.title !== title) element.title = title;
  }
}

/* ---- asking ---- */

const LIVE_MS = 1000;
const IDLE_MS = [2000, 10000];
let etag = null;
let quiet = 0;
let failures = 0;
let timer = null;

function beat(state, text) {
  pulse.hidden = false;
  pulse.dataset.state = state;
  set(pulse, text);
}

function refreshed(response) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2000) skew = date - Date.now();
  main.dataset.refresh = response.headers.get("x-quillon-refresh") ?? main.dataset.refresh;
}

async function ask() {
  const url = new URL(location.href);
  url.hash = "";
  url.searchParams.set("fragment", "1");
  const response = await fetch(url, { headers: etag ? { "if-none-match": etag } : {}, cache: "no-store", credentials: "same-origin", redirect: "error" });
  quiet = response.status === 304 ? quiet + 1 : 0;
  if (response.status === 304) return refreshed(response);
  if (response.status === 401) {
    main.dataset.refresh = "never";
    return beat("lost", "signed out: reload to sign in");
  }
  if (!response.ok) throw new Error(`answered ${response.status}`);
  etag = response.headers.get("etag");
  refreshed(response);
  show(await response.text());
}

function later() {
  clearTimeout(timer);
  if (main.dataset.refresh === "never" || document.hidden) return;
  const base = main.dataset.refresh === "live" ? LIVE_MS : Math.min(IDLE_MS[0] * 1.5 ** quiet, IDLE_MS[1]);
  timer = setTimeout(tick, Math.min(base * 2 ** Math.min(failures, 5), 30000));
}

async function tick() {
  try {
    await ask();
    failures = 0;
    if (main.dataset.refresh === "live") beat("live", "live");
    else if (main.dataset.refresh === "idle") beat("idle", "up to date");
  } catch {
    failures += 1;
    if (failures > 2) beat("lost", "connection lost, trying again");
  }
  later();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (main.dataset.refresh !== "never") tick();
});

// Buttons act without a page load, so that the reader stays where they are.
main.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post" || form.hasAttribute("data-plain")) return;
  event.preventDefault();
  const button = event.submitter;
  const body = new URLSearchParams(new FormData(form, button));
  if (button) button.disabled = true;
  try {
    const action = button?.hasAttribute("formaction") ? button.formAction : form.action;
    const response = await fetch(action, { method: "POST", body, credentials: "same-origin" });
    const answer = new DOMParser().parseFromString(await response.text(), "text/html");
    const flash = response.ok ? answer.getElementById("flash") : answer.getElementById("problem") ?? answer.querySelector("main h1");
    announcer.textContent = "";
    if (flash) shout(flash.textContent);
    etag = null;
    await ask();
  } catch {
    shout("The server did not answer. Nothing is known to have changed; try again.");
  } finally {
    if (button) button.disabled = false;
  }
  later();
});

let silence = null;

// Says what came of a button above the page, without moving it, and for a while.
function shout(text) {
  let flash = document.getElementById("flash");
  if (!flash) {
    flash = document.createElement("p");
    flash.id = "flash";
    flash.setAttribute("role", "status");
    document.body.append(flash);
  }
  flash.className = "flash toast";
  flash.textContent = text;
  announcer.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => flash.remove(), 8000);
}

if (main.dataset.refresh !== "never") {
  refreshTimes();
  setInterval(() => { if (!document.hidden) refreshTimes(); }, 1000);
  beat(main.dataset.refresh, main.dataset.refresh === "live" ? "live" : "up to date");
  later();
}
