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

let probe: HTMLElement | undefined;

/** A colour of the style as a canvas takes it: what the present theme makes of it. */
export function token(name: string): string {
  probe ??= document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
