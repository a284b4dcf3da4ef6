// Doing something: one at a time, with a word about how it went, and a fresh look afterwards.
import { signal } from "@preact/signals";
import { ApiError } from "./client.ts";
import { lookAgain } from "./live.ts";

export interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
  detail?: string | undefined;
  link?: { href: string; text: string } | undefined;
}

export const toasts = signal<Toast[]>([]);
let last = 0;

export function say(kind: Toast["kind"], text: string, more: Pick<Toast, "detail" | "link"> = {}): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-3), { id, kind, text, ...more }];
  window.setTimeout(() => dismiss(id), kind === "done" ? 6_000 : 15_000);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Runs an action, says how it went, and gives its answer; undefined where it failed, which has been said. */
export async function act<T>(
  action: () => Promise<T>,
  done: string | ((answer: T) => string),
  link?: (answer: T) => { href: string; text: string },
): Promise<T | undefined> {
  try {
    const answer = await action();
    say("done", typeof done === "string" ? done : done(answer), { link: link?.(answer) });
    lookAgain();
    return answer;
  } catch (error) {
    if (error instanceof ApiError) say("failed", error.message, { detail: error.wayOut ?? undefined });
    else say("failed", String(error));
    return undefined;
  }
}

export interface Question {
  title: string;
  text: string;
  /** The button's word: what will be done, never "OK". */
  action: string;
  danger?: boolean;
}

export const asked = signal<(Question & { answer: (yes: boolean) => void }) | undefined>(undefined);

/** Asks before what cannot be undone. */
export function confirm(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (yes) => {
        asked.value = undefined;
        resolve(yes);
      },
    };
  });
}
