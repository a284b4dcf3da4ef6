// The keyboard: one listener, a list of what keys do, and the help that is made from that list.
import { signal } from "@preact/signals";
import { go } from "./router.ts";

export interface Shortcut {
  /** `?`, `/`, or two in a row such as `g j`. */
  keys: string;
  does: string;
  group: "Go to" | "Lists" | "Everywhere" | "This page";
  run: (event: KeyboardEvent) => void;
}

export const helpShown = signal(false);
/** What the page on screen adds; `useKeys` keeps it. */
export const pageKeys = signal<Shortcut[]>([]);

const GO: [string, string, string][] = [
  ["o", "Overview", "./"],
  ["j", "Jobs", "jobs"],
  ["r", "Run a job", "run"],
  ["q", "Queues", "queues"],
  ["s", "Schedules", "schedules"],
  ["y", "Sync", "sync"],
  ["w", "Workers", "workers"],
  ["t", "Storage", "storage"],
  ["v", "Service", "service"],
  ["a", "Audit log", "audit"],
];

export const everywhere: Shortcut[] = [
  { keys: "?", does: "Show the keys", group: "Everywhere", run: () => (helpShown.value = !helpShown.value) },
  { keys: "/", does: "Search jobs", group: "Everywhere", run: search },
  ...GO.map(([key, name, href]): Shortcut => ({ keys: `g ${key}`, does: name, group: "Go to", run: () => go(href) })),
  { keys: "j", does: "Next row", group: "Lists", run: () => moveRow(1) },
  { keys: "k", does: "Previous row", group: "Lists", run: () => moveRow(-1) },
  { keys: "Enter", does: "Open the row", group: "Lists", run: () => undefined },
  { keys: "x", does: "Select the row", group: "Lists", run: tickRow },
];

function search(): void {
  const field = document.querySelector<HTMLInputElement>("main input[type=search]");
  if (field) field.select();
  else go("jobs?find=1");
}

const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("main [data-row]")];
const presentRow = (): HTMLElement | null => document.activeElement?.closest<HTMLElement>("[data-row]") ?? null;
let last_row = "";

/** A row of a list is whatever has `data-row="<its id>"` and in it a link or button `data-open`. */
function moveRow(step: 1 | -1): void {
  const all = rows();
  let index = all.indexOf(presentRow()!);
  if (index < 0 && last_row) index = all.findIndex((row) => row.dataset["row"] === last_row);
  const next = all[index < 0 ? (step === 1 ? 0 : all.length - 1) : index + step];
  if (!next) return;
  last_row = next.dataset["row"] ?? "";
  const target = next.querySelector<HTMLElement>("[data-open]") ?? next;
  target.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function tickRow(event: KeyboardEvent): void {
  const box = presentRow()?.querySelector<HTMLInputElement>("input[type=checkbox]");
  if (!box) return;
  event.preventDefault();
  box.click();
}

const types = (element: Element | null): boolean =>
  element instanceof HTMLElement &&
  (element.isContentEditable || (element.matches("input, textarea, select") && !element.matches("[type=checkbox], [type=radio]")));

let first = "";
let first_at = 0;

export function listenToKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (types(document.activeElement)) {
      if (event.key === "Escape") (document.activeElement as HTMLElement).blur();
      return;
    }
    if (document.querySelector("dialog[open]") && event.key !== "?") return;
    const pair = first && event.timeStamp - first_at < 1_500 ? `${first} ${event.key}` : "";
    first = "";
    const all = [...pageKeys.value, ...everywhere];
    const found = all.find((one) => one.keys === pair) ?? all.find((one) => one.keys === event.key);
    if (found && event.key !== "Enter") {
      event.preventDefault();
      found.run(event);
    } else if (event.key === "g") {
      first = event.key;
      first_at = event.timeStamp;
    }
  });
}
