// Keys of the trace page, before those of every page; and what they do, in the help.

import { h } from "./dom.js";

const HELP = [
  [["/"], "find in names, attributes, logs"],
  [["n", "N"], "next, previous hit"],
  [["j", "k"], "next, previous span"],
  [["←", "→"], "fold, unfold; to the parent, to the first child"],
  [["Enter", "o"], "open the span's box, its log"],
  [["d"], "details"],
  [["e"], "next failure"],
  [["f"], "zoom to the span, and back"],
  [["g", "G"], "to the top, to the end"],
];

/** Binds the keys until `signal` ends them. */
export function bindKeys(page, signal) {
  const help = document.getElementById("help");
  describe(help?.querySelector("dl"));
  document.addEventListener(
    "keydown",
    (event) => {
      const { target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || help?.open || document.querySelector("dialog[open]")) return;
      if (target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]")) return;
      const isInList = target === page.list.element;
      const act = actionOf(event.key, isInList, page);
      if (act === undefined) return;
      act();
      event.preventDefault();
      event.stopPropagation();
    },
    { capture: true, signal },
  );
}

function describe(list) {
  if (!list || list.dataset.trace === "1") return;
  list.dataset.trace = "1";
  list.prepend(...HELP.map(([keys, words]) => h("div", {}, h("dt", {}, ...keys.flatMap((key, index) => [index > 0 ? " " : "", h("kbd", { text: key })])), h("dd", { text: words }))));
  list.querySelectorAll("div").forEach((entry, index) => {
    // The page's own "/" and "j k" do other things here.
    const words = entry.querySelector("dd")?.textContent ?? "";
    if (index >= HELP.length && (words.includes("filter") || words.includes("previous") || words === "open")) entry.remove();
  });
}

function actionOf(key, isInList, page) {
  switch (key) {
    case "/": return () => page.search.focus();
    case "n": return () => page.search.move(1);
    case "N": return () => page.search.move(-1);
    case "j": return () => page.move(1);
    case "k": return () => page.move(-1);
    case "o": return () => page.boxes.toggle(page.active, "logs");
    case "d": return () => page.boxes.toggle(page.active, "details");
    case "e": return () => page.nextFailure();
    case "f": return () => page.zoom(page.frame.zoomed === page.active ? -1 : page.active);
    case "g": return () => page.moveTo(0);
    case "G": return () => page.moveTo(-1);
    default: break;
  }
  if (!isInList) return undefined;
  switch (key) {
    case "ArrowDown": return () => page.move(1);
    case "ArrowUp": return () => page.move(-1);
    case "ArrowRight": return () => page.inward();
    case "ArrowLeft": return () => page.outward();
    case "Home": return () => page.moveTo(0);
    case "End": return () => page.moveTo(-1);
    case "PageDown": return () => page.move(page.pageful());
    case "PageUp": return () => page.move(-page.pageful());
    case "Enter": return () => page.boxes.toggle(page.active);
    case " ": return () => page.toggle(page.active);
    default: return undefined;
  }
}
