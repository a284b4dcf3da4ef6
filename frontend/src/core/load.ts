// What a page shows, kept up to date: asked at once, and again whenever something changed.
import { effect, untracked } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, address, get, known, type Query } from "./client.ts";
import { heard } from "./live.ts";

export interface Load<T> {
  /** Undefined until the first answer. It stays while a newer one is asked for, and beside an error. */
  data: T | undefined;
  error: ApiError | undefined;
  /** Another address is being asked (a filter changed): what is shown belongs to the one before. */
  stale: boolean;
  reload: () => void;
}

interface State<T> {
  url: string | null;
  data: T | undefined;
  error: ApiError | undefined;
}

/** `GET path?query`, live; `null` asks for nothing. What is on screen stays until the new answer is here. */
export function useLoad<T>(path: string | null, query: Query = {}): Load<T> {
  const url = path === null ? null : address(path, query);
  const [state, setState] = useState<State<T>>(() => ({ url, data: url ? known<T>(url) : undefined, error: undefined }));
  const asker = useRef<(() => void) | undefined>(undefined);
  useEffect(() => {
    if (url === null) return;
    const last = known<T>(url);
    if (last !== undefined) setState({ url, data: last, error: undefined });
    const abort = new AbortController();
    const ask = paced(async () => {
      try {
        const data = await get<T>(url, abort.signal);
        setState((now) => (now.url === url && now.data === data && !now.error ? now : { url, data, error: undefined }));
      } catch (error) {
        if (abort.signal.aborted) return;
        const problem = error instanceof ApiError ? error : new ApiError(0, "broken", String(error));
        setState((now) => ({ url, data: problem.status === 404 ? undefined : now.data, error: problem }));
      }
    }, abort.signal);
    asker.current = ask;
    const stop = effect(() => {
      heard.value;
      untracked(ask);
    });
    return () => {
      stop();
      abort.abort();
    };
  }, [url]);
  // What was asked of another path is no answer to this one; of another query it may stay meanwhile.
  const same = state.url === url || state.url?.split("?")[0] === path;
  return {
    data: same ? state.data : undefined,
    error: state.url === url ? state.error : undefined,
    stale: state.url !== url,
    reload: () => asker.current?.(),
  };
}

/** Runs one at a time, the first at once; a server that needs long for an answer is asked less often. */
export function paced(task: () => Promise<void>, until: AbortSignal): () => void {
  const REST_MS = 80;
  let busy = false;
  let wanted = false;
  const run = async (): Promise<void> => {
    if (busy) {
      wanted = true;
      return;
    }
    busy = true;
    const begun = performance.now();
    await task();
    const rest = Math.max(REST_MS, performance.now() - begun);
    window.setTimeout(() => {
      busy = false;
      if (wanted && !until.aborted) {
        wanted = false;
        void run();
      }
    }, rest);
  };
  return () => void run();
}
