// Edit and run again: a new job after the model of one that is, which stays as it was.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Enqueued, JobCopy, JobDetail } from "../api.ts";
import { say } from "../core/act.ts";
import { ApiError, post } from "../core/client.ts";
import { lookAgain } from "../core/live.ts";
import { go } from "../core/router.ts";
import { Button } from "../ui/basics.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/form.tsx";

export function CopyDialog({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  const original = job.payload_text ?? "";
  const [payload, setPayload] = useState(original);
  const [queue, setQueue] = useState(job.queue);
  const [priority, setPriority] = useState(String(job.priority));
  const [delay, setDelay] = useState("");
  const [error, setError] = useState<ApiError | undefined>();
  const run = async (): Promise<void> => {
    setError(undefined);
    const body: JobCopy = {
      ...(payload !== original && { payload_text: payload.trim() || "null" }),
      ...(queue.trim() !== job.queue && { queue: queue.trim() }),
      ...(Number(priority) !== job.priority && { priority: Number(priority) }),
      ...(delay.trim() && { delay: delay.trim() }),
    };
    try {
      const made = await post<Enqueued>(`api/jobs/${job.id}/copy`, body);
      say("done", `Job ${made.id} is enqueued`);
      lookAgain();
      onClose();
      go(`jobs/${made.id}`);
    } catch (problem) {
      setError(problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem)));
    }
  };
  return (
    <Dialog
      title={`Run ${job.key} again`}
      wide
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button kind="primary" action icon="run" onClick={run}>Run as a new job</Button>
        </>
      }
    >
      <form class="form" onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <Field label="Payload" error={error?.message} hint={`JSON. Job ${job.id} stays as it is.`}>
          <textarea class="mono" rows={10} spellcheck={false} value={payload} onInput={(event) => setPayload(event.currentTarget.value)} />
        </Field>
        <div class="field-row">
          <Field label="Queue"><input value={queue} onInput={(event) => setQueue(event.currentTarget.value)} /></Field>
          <Field label="Priority"><input type="number" step="1" value={priority} onInput={(event) => setPriority(event.currentTarget.value)} /></Field>
          <Field label="Delay" optional><input placeholder="10m" value={delay} onInput={(event) => setDelay(event.currentTarget.value)} /></Field>
        </div>
        <button type="submit" class="unseen" tabIndex={-1}>Run</button>
      </form>
    </Dialog>
  );
}
