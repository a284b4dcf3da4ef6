// Runs before the first paint, so that a theme somebody chose does not come after a flash of the other one.
try {
  const chosen = localStorage.getItem("windlass.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
} catch {
  // Storage is switched off in this browser: the system's theme it is.
}
