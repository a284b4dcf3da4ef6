// One action on many jobs: first how many it is for, then part by part, each of them a short transaction.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Bulk, BulkDone, BulkFilter } from "../api.ts";
import { say } from "../core/act.ts";
import { ApiError, post } from "../core/client.ts";
import { atLeast, number, plural } from "../core/format.ts";
import { lookAgain } from "../core/live.ts";
import { Button, Progress } from "../ui/basics.tsx";
import { Cli } from "../ui/code.tsx";
import { Dialog } from "../ui/dialog.tsx";

export interface BulkAsked {
  action: Bulk["action"];
  filter: BulkFilter;
}

const VERBS = {
  retry: { verb: "Retry", done: "retried", only: "They run again, also those that completed; what waits becomes ready now, and what runs is left alone." },
  cancel: { verb: "Cancel", done: "cancelled", only: "Those that run are asked to stop; those that have ended are left alone." },
  delete: { verb: "Delete", done: "deleted", only: "They are gone for good, with their results. Those that run are left alone." },
} as const;

interface BulkProps {
  asked: BulkAsked;
  onClose: () => void;
  onDone: () => void;
}

export function BulkDialog({ asked, onClose, onDone }: BulkProps): JSX.Element {
  const { verb, done, only } = VERBS[asked.action];
  const [preview, setPreview] = useState<BulkDone | undefined>();
  const [error, setError] = useState<ApiError | undefined>();
  const [changed, setChanged] = useState<number | undefined>();
  const stopped = useRef(false);
  const guarded = async (task: () => Promise<void>): Promise<void> => {
    try {
      await task();
    } catch (problem) {
      setError(problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem)));
    }
  };
  useEffect(() => {
    void guarded(async () => setPreview(await post<BulkDone>("api/jobs/bulk", { ...asked, preview: true } satisfies Bulk)));
    return () => {
      stopped.current = true;
    };
  }, []);
  const buttons = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What can be undone waits for Enter; what cannot wants one more thought.
    if (preview) buttons.current?.querySelector<HTMLElement>(asked.action === "delete" ? "button" : "button:last-child:enabled")?.focus();
  }, [preview]);
  const run = (): Promise<void> =>
    guarded(async () => {
      let after: string | null = null;
      let sum = 0;
      setChanged(0);
      do {
        const part: BulkDone = await post<BulkDone>("api/jobs/bulk", { ...asked, after } satisfies Bulk);
        sum += part.changed;
        setChanged(sum);
        after = part.next;
      } while (after !== null && !stopped.current);
      lookAgain();
      say("done", `${plural(sum, "job")} ${done}${after === null ? "" : ", then stopped"}`);
      onDone();
      onClose();
    });
  const running = changed !== undefined && !error;
  const count = preview && atLeast(preview.matching, preview.matching_is_least);
  const nothing = preview?.matching === 0;
  return (
    <Dialog
      title={count === undefined || nothing ? `${verb} jobs` : `${verb} ${count} ${preview?.matching === 1 ? "job" : "jobs"}?`}
      onClose={onClose}
      actions={
        <div class="actions" ref={buttons}>
          <Button onClick={onClose}>{running ? "Stop here" : "Close"}</Button>
          <Button kind={asked.action === "delete" ? "danger" : "primary"} disabled={!preview || nothing || running} action onClick={run}>
            {verb} {nothing ? "" : count}
          </Button>
        </div>
      }
    >
      <div class="bulk-text" role="status">
        {error ? <p class="wrong">{error.message}</p>
          : running ? (
            <>
              <Progress done={changed} of={preview?.matching_is_least ? null : (preview?.matching ?? null)} label={`${verb} jobs`} />
              <p>{number(changed)} {done}</p>
            </>
          ) : !preview ? <p class="dim">Counting…</p>
          : nothing ? <p>None of them can be {done}. {only}</p>
          : <p>{only}</p>}
      </div>
      {preview?.command && !running && <p class="dim"><Cli command={preview.command} /></p>}
    </Dialog>
  );
}
