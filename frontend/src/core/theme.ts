// Light or dark: as the system has it, or as somebody chose.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const KEY = "windlass.theme";

function stored(): Theme {
  const word = document.documentElement.dataset["theme"];
  return word === "light" || word === "dark" ? word : "system";
}

export const theme = signal<Theme>(stored());
/** Moves when the colours on screen do, so that what paints itself (charts) paints anew. */
export const painted = signal(0);

effect(() => {
  const chosen = theme.value;
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    if (chosen === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is switched off in this browser: the choice holds for this visit.
  }
  painted.value = painted.peek() + 1;
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (painted.value += 1));

/** The value of a CSS custom property, for what is painted on a canvas. */
export const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
