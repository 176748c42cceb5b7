// Keys, the color scheme switch, the help, and the copy button. Everything works without this file, by other means.

const items = () => [...document.querySelectorAll("[data-item]")].filter((item) => item.checkVisibility?.() ?? item.offsetParent !== null);

function move(by) {
  const all = items();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
}

const help = document.getElementById("help");

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (target instanceof HTMLElement && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  switch (event.key) {
    case "/": {
      const filter = document.getElementById("filter");
      if (!filter) return;
      filter.focus();
      filter.select();
      break;
    }
    case "j": move(1); break;
    case "k": move(-1); break;
    case "?": help.showModal(); break;
    default: return;
  }
  event.preventDefault();
});

document.getElementById("help-open").addEventListener("click", () => help.showModal());

// The scheme: the system's, then light, then dark.
const root = document.documentElement;
const schemes = ["system", "light", "dark"];
const scheme = () => root.dataset.scheme ?? "system";
const nameScheme = () => {
  document.getElementById("theme-name").textContent = `Color scheme: ${scheme()}`;
  document.getElementById("theme").title = `Color scheme: ${scheme()}`;
};
document.getElementById("theme").addEventListener("click", () => {
  const next = schemes[(schemes.indexOf(scheme()) + 1) % schemes.length];
  if (next === "system") delete root.dataset.scheme;
  else root.dataset.scheme = next;
  try {
    if (next === "system") localStorage.removeItem("scheme");
    else localStorage.setItem("scheme", next);
  } catch {
    // It holds for this page then.
  }
  nameScheme();
});
nameScheme();

// Menus close with Escape, which leads back to where they were opened, and when somebody is done with them.
const menus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  }
});
const leave = (event) => {
  for (const menu of menus()) if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
};
document.addEventListener("click", leave);
document.addEventListener("focusin", leave);

// Copies what a button names; one without a name, what it stands behind.
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  const source = button && (button.dataset.copy ? document.getElementById(button.dataset.copy) : button.previousElementSibling);
  if (!source) return;
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(source.textContent);
    label.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    label.textContent = "Selected";
  }
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});

// Copies the log as text, without line numbers.
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("#copy-log") : null;
  if (!button) return;
  const text = [...document.querySelectorAll("#log code")].map((line) => line.textContent).join("\n") + "\n";
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    // Without permission, or over plain HTTP: select it, so that the usual key copies it.
    const range = document.createRange();
    range.selectNodeContents(document.getElementById("log"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    label.textContent = "Selected";
  }
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});
