// Sets the color scheme before anything is drawn, and says that scripts run. The one script that blocks drawing: keep it tiny.
(function () {
  const root = document.documentElement;
  root.classList.add("has-script");
  try {
    const scheme = localStorage.getItem("scheme");
    if (scheme === "light" || scheme === "dark") root.dataset.scheme = scheme;
  } catch {
    // Storage can be forbidden: the system's scheme it is.
  }
})();
