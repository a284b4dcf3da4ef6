// A list of any length, fetched page by page as it is scrolled, and kept up to date where it is looked at.
//
// Each page begins where the one before it ended (`after`), so what is on screen stays where it is while jobs come in
// above it. Only the pages in view are asked again when something changed; those below are fetched anew when they are
// reached, if what is above them moved.
import { effect, untracked } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { JobPage, JobRow } from "../api.ts";
import { ApiError, address, get, type Query } from "./client.ts";
import { heard } from "./live.ts";
import { paced } from "./load.ts";

export const PAGE_ROWS = 100;

interface Part {
  after: string | null;
  page: JobPage;
}

export interface Pages {
  rows: readonly JobRow[];
  /** Undefined until the first answer. */
  head: JobPage | undefined;
  more: boolean;
  error: ApiError | undefined;
  /** Fetches what comes next. */
  reach: () => void;
  reload: () => void;
}

/** `seen` gives the first and the last row that are in view. */
export function usePages(query: Query, seen: () => readonly [number, number]): Pages {
  const asked = JSON.stringify(query);
  const [, again] = useState(0);
  const list = useRef<List | undefined>(undefined);
  if (list.current?.asked !== asked) {
    const before = list.current;
    list.current = new List(query, asked, seen, () => again((count) => count + 1));
    list.current.shown = before?.shown ?? []; // the old rows stay until the new ones are here
    list.current.head = before?.head;
  }
  const present = list.current;
  useEffect(() => {
    const ask = paced(() => present.refresh(), present.abort.signal);
    const stop = effect(() => {
      heard.value;
      untracked(ask);
    });
    return () => {
      stop();
      present.abort.abort();
    };
  }, [present]);
  return {
    rows: present.shown,
    head: present.head,
    more: present.parts.at(-1)?.page.next != null,
    error: present.error,
    reach: () => void present.reach(),
    reload: () => void present.refresh(),
  };
}

class List {
  parts: Part[] = [];
  shown: readonly JobRow[] = [];
  head: JobPage | undefined;
  error: ApiError | undefined;
  readonly abort = new AbortController();
  private reaching = false;

  constructor(
    private readonly query: Query,
    readonly asked: string,
    private readonly seen: () => readonly [number, number],
    private readonly tell: () => void,
  ) {}

  async refresh(): Promise<void> {
    const [first, last] = this.parts.length ? this.seen() : [0, 0];
    const from = Math.min(Math.floor(first / PAGE_ROWS), Math.max(this.parts.length - 1, 0));
    const to = Math.max(from, Math.min(Math.floor(last / PAGE_ROWS), this.parts.length - 1));
    const parts = [...this.parts];
    await this.attempt(async () => {
      for (let index = from; index <= to; index += 1) {
        const after = index === from ? (parts[index]?.after ?? null) : parts[index - 1]!.page.next;
        if (index > 0 && after === null) {
          parts.length = index;
          break;
        }
        parts[index] = { after, page: await this.ask(after) };
      }
      const below = parts[to + 1];
      if (below && below.after !== parts[to]?.page.next) parts.length = to + 1;
      // What was fetched meanwhile below the last page in view goes on, where it still fits.
      const grown = this.parts.slice(parts.length);
      for (const part of grown) {
        if (part.after !== parts.at(-1)!.page.next) break;
        parts.push(part);
      }
      this.show(parts);
    });
  }

  async reach(): Promise<void> {
    const next = this.parts.at(-1)?.page.next;
    if (this.reaching || !next) return;
    this.reaching = true;
    await this.attempt(async () => {
      const page = await this.ask(next);
      if (this.parts.at(-1)?.page.next === next) this.show([...this.parts, { after: next, page }]);
    });
    this.reaching = false;
  }

  private ask(after: string | null): Promise<JobPage> {
    return get<JobPage>(address("api/jobs", { ...this.query, limit: PAGE_ROWS, after }), this.abort.signal);
  }

  private show(parts: Part[]): void {
    const same = parts.length === this.parts.length && parts.every((part, index) => part.page === this.parts[index]!.page);
    if (same && !this.error) return;
    this.parts = parts;
    this.head = parts[0]?.page;
    const rows = new Map<number, JobRow>();
    for (const part of parts) for (const row of part.page.jobs) rows.set(row.id, row);
    this.shown = [...rows.values()];
    this.error = undefined;
    this.tell();
  }

  private async attempt(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, "broken", String(error));
      this.tell();
    }
  }
}
