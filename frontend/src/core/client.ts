// The one way to the server: answers are kept with their ETag, and refusals are errors with a way out.
import type { Session } from "../api.ts";
import { signal } from "@preact/signals";

export type Query = Record<string, string | number | boolean | null | undefined>;

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly wayOut: string | null;

  constructor(status: number, code: string, message: string, wayOut: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.wayOut = wayOut;
  }
}

/** Who looks and at what; undefined until the server has answered. */
export const session = signal<Session | undefined>(undefined);
/** Nobody is let in any more: the code was used, or the server was started anew. */
export const shutOut = signal<ApiError | undefined>(undefined);

export function mayAct(): boolean {
  return session.value !== undefined && !session.value.read_only;
}

interface Kept {
  etag: string | null;
  data: unknown;
}
const MOST_KEPT = 60;
const kept = new Map<string, Kept>();

export function address(path: string, query: Query = {}): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") words.set(name, String(value));
  }
  const tail = words.toString();
  return tail ? `${path}?${tail}` : path;
}

/** What was answered last time, to be shown while it is asked again. */
export function known<T>(url: string): T | undefined {
  return kept.get(url)?.data as T | undefined;
}

/** `GET`: the same object again where the server says that nothing changed. */
export async function get<T>(url: string, abort?: AbortSignal): Promise<T> {
  const before = kept.get(url);
  const headers: Record<string, string> = { Accept: "application/json" };
  if (before?.etag) headers["If-None-Match"] = before.etag;
  const answer = await ask(url, { headers, signal: abort ?? null });
  if (answer.status === 304 && before) return before.data as T;
  const data = (await answer.json()) as T;
  kept.delete(url);
  kept.set(url, { etag: answer.headers.get("ETag"), data });
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
  return data;
}

/** An action. The header proves that it comes from this page, so a renewed session is asked once for a new one. */
export async function send<T>(method: "POST" | "PUT" | "DELETE", url: string, body?: unknown): Promise<T> {
  try {
    return await sendOnce<T>(method, url, body);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403 || !error.code.includes("csrf")) throw error;
    await loadSession();
    return await sendOnce<T>(method, url, body);
  }
}

export const post = <T>(url: string, body?: unknown): Promise<T> => send<T>("POST", url, body);

export async function loadSession(): Promise<void> {
  session.value = await get<Session>("api/session");
}

async function sendOnce<T>(method: string, url: string, body: unknown): Promise<T> {
  const headers: Record<string, string> = {
    Accept: "application/json",
    "X-Windlass-CSRF": session.value?.csrf ?? "",
  };
  const init: RequestInit = { method, headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await ask(url, init);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, credentials: "same-origin", redirect: "error" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The dashboard's server does not answer.", "windlass ui");
  }
  if (answer.ok || answer.status === 304) return answer;
  const problem = await refusal(answer);
  if (answer.status === 401) shutOut.value = problem;
  throw problem;
}

async function refusal(answer: Response): Promise<ApiError> {
  try {
    const told = (await answer.json()) as { error: { code: string; message: string; way_out?: string | null } };
    return new ApiError(answer.status, told.error.code, told.error.message, told.error.way_out ?? null);
  } catch {
    return new ApiError(answer.status, "unknown", `The server answered ${answer.status}.`);
  }
}
