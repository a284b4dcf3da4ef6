// Addresses and history. Links are plain `<a href="jobs/7">`, relative to `<base href>`; one listener follows them.
import { signal } from "@preact/signals";

export interface Place {
  /** Relative to the base, without slashes at its ends: "", "jobs", "jobs/7". */
  path: string;
  query: URLSearchParams;
}

const base = new URL(document.baseURI);

function here(): Place {
  const path = location.pathname.startsWith(base.pathname) ? location.pathname.slice(base.pathname.length) : "";
  return { path: path.replace(/^\/+|\/+$/g, ""), query: new URLSearchParams(location.search) };
}

export const place = signal<Place>(here());
const scrolls = new Map<number, number>();
let entry = 0;

/** Goes to an address relative to the base. With `replace` Back does not return to the present one. */
export function go(href: string, { replace = false } = {}): void {
  const target = new URL(href, document.baseURI);
  if (target.href === location.href) return;
  const same_page = target.pathname === location.pathname;
  if (replace) {
    history.replaceState(history.state, "", target);
  } else {
    scrolls.set(entry, window.scrollY);
    entry += 1;
    history.pushState({ entry }, "", target);
  }
  place.value = here();
  if (!same_page) arrive(0);
}

/** Changes words of the query and leaves the rest; null takes one away. */
export function goQuery(words: Record<string, string | null | undefined>, options = { replace: false }): void {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(words)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const tail = query.toString();
  go(tail ? `${place.value.path}?${tail}` : place.value.path || "./", options);
}

/** `match("jobs/:id", "jobs/7")` gives `{ id: "7" }`; undefined where it is another path. */
export function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split("/");
  const words = path.split("/");
  if (wanted.length !== words.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, word] of wanted.entries()) {
    const given = words[index]!;
    if (!word.startsWith(":")) {
      if (word !== given) return undefined;
    } else if (given === "") {
      return undefined;
    } else {
      try {
        found[word.slice(1)] = decodeURIComponent(given);
      } catch {
        return undefined;
      }
    }
  }
  return found;
}

export function followLinks(): void {
  history.scrollRestoration = "manual";
  entry = (history.state as { entry?: number } | null)?.entry ?? 0;
  history.replaceState({ entry }, "");
  window.addEventListener("popstate", () => {
    const before = place.value.path;
    scrolls.set(entry, window.scrollY);
    entry = (history.state as { entry?: number } | null)?.entry ?? 0;
    place.value = here();
    if (place.value.path !== before) arrive(scrolls.get(entry) ?? 0);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element).closest("a[href]");
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    const ours = link.origin === base.origin && link.pathname.startsWith(base.pathname);
    if (!ours || link.pathname.startsWith(`${base.pathname}api/`)) return;
    event.preventDefault();
    go(link.href);
  });
}

/** A new page begins at its heading, for eyes and for screen readers. */
function arrive(scroll: number): void {
  requestAnimationFrame(() => {
    document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
    window.scrollTo({ top: scroll, behavior: "instant" });
  });
}
