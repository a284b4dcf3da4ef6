// From the enqueue to the end: one line for each attempt, with what went wrong.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { AttemptRow, JobDetail } from "../api.ts";
import { clockTime, duration, fullTime, plural } from "../core/format.ts";
import { Raw } from "../ui/code.tsx";
import { StateMark, type Mark } from "../ui/icon.tsx";

const MARKS: Record<string, Mark> = {
  running: "running", completed: "completed", retried: "retrying", snoozed: "scheduled",
  cancelled: "cancelled", failed: "failed", crashed: "failed", lost: "warning",
};
const SHOWN = 8;

export function Timeline({ job }: { job: JobDetail }): JSX.Element {
  const [whole, setWhole] = useState(false);
  const { history } = job;
  const hidden = whole ? 0 : Math.max(0, history.length - SHOWN);
  return (
    <ol class="timeline">
      <Step mark="ready" title="Enqueued" at={job.created_at} />
      {hidden > 0 && (
        <li class="timeline-more"><button type="button" class="button is-quiet is-small" onClick={() => setWhole(true)}>{plural(hidden, "earlier attempt")}</button></li>
      )}
      {history.slice(hidden).map((attempt, index) => (
        <Attempt key={`${attempt.attempt} ${attempt.started_at}`} attempt={attempt} open={hidden + index === history.length - 1 && attempt.error !== null} />
      ))}
      {job.status === "PENDING" && <Step mark={job.state} title={job.run_at && job.attempts < job.max_attempts ? `Attempt ${job.attempts + 1} is due` : "Waits"} at={job.run_at} future />}
    </ol>
  );
}

function Attempt({ attempt, open }: { attempt: AttemptRow; open: boolean }): JSX.Element {
  const { started_at, finished_at, error } = attempt;
  const took = started_at && finished_at ? duration(Date.parse(finished_at) - Date.parse(started_at)) : null;
  const [line, ...rest] = error?.split("\n") ?? [""];
  return (
    <Step mark={MARKS[attempt.outcome] ?? "ready"} title={`Attempt ${attempt.attempt} ${attempt.outcome}`} at={started_at} took={took}>
      {error && (rest.length === 0 && line!.length < 160 ? (
        <p class="timeline-error">{line}</p>
      ) : (
        <details open={open}>
          <summary class="timeline-error">{line}</summary>
          <Raw text={error} label={`the error of attempt ${attempt.attempt}`} />
        </details>
      ))}
    </Step>
  );
}

interface StepProps {
  mark: Mark;
  title: string;
  at: string | null;
  took?: string | null;
  future?: boolean;
  children?: ComponentChildren;
}

function Step({ mark, title, at, took, future, children }: StepProps): JSX.Element {
  return (
    <li class={`timeline-step is-${mark}${future ? " is-future" : ""}`}>
      <StateMark state={mark} />
      <div>
        <p class="timeline-head">
          <b>{title}</b>
          {took && <span>{took}</span>}
          {at && <time class="dim" datetime={at} title={fullTime(at)}>{clockTime(at)}</time>}
        </p>
        {children}
      </div>
    </li>
  );
}
