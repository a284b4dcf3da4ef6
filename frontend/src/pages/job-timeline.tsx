// From the enqueue to the end: one line for each attempt, with what went wrong.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { AttemptRow, JobDetail, JobLogs, LogRow } from "../api.ts";
import { clockTime, duration, fullTime, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
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
  const logs = useLoad<JobLogs>(`api/jobs/${job.id}/logs`).data?.lines ?? [];
  /** What an attempt logged stands with its last entry: one that was lost runs again under its number. */
  const said = (index: number): LogRow[] =>
    history.slice(index + 1).some((one) => one.attempt === history[index]!.attempt) ? [] : logs.filter((line) => line.attempt === history[index]!.attempt);
  const hidden = whole ? 0 : Math.max(0, history.length - SHOWN);
  return (
    <ol class="timeline">
      <Step mark="ready" title="Enqueued" at={job.created_at} />
      {hidden > 0 && (
        <li class="timeline-more"><button type="button" class="button is-quiet is-small" onClick={() => setWhole(true)}>{plural(hidden, "earlier attempt")}</button></li>
      )}
      {history.slice(hidden).map((attempt, index) => (
        <Attempt key={`${attempt.attempt} ${attempt.started_at}`} attempt={attempt} logs={said(hidden + index)} open={hidden + index === history.length - 1 && attempt.error !== null} />
      ))}
      {job.status === "PENDING" && <Step mark={job.state} title={job.run_at && job.attempts < job.max_attempts ? `Attempt ${job.attempts + 1} is due` : "Waits"} at={job.run_at} future />}
    </ol>
  );
}

function Attempt({ attempt, logs, open }: { attempt: AttemptRow; logs: LogRow[]; open: boolean }): JSX.Element {
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
      {logs.length > 0 && <Log lines={logs} open={attempt.outcome === "running"} />}
    </Step>
  );
}

/** What the handler logged. Only the newest lines are kept: where there were more, it says so. */
function Log({ lines, open }: { lines: LogRow[]; open: boolean }): JSX.Element {
  const missing = lines[0]!.number - 1;
  const text = lines.map((line) => `${clockTime(line.at)}  ${line.level.padEnd(7)} ${line.logger}: ${line.text}`).join("\n");
  return (
    <details class="timeline-log" open={open}>
      <summary>{plural(lines.length, "line")} logged</summary>
      {missing > 0 && <p class="dim">{plural(missing, "line")} before these are not kept.</p>}
      <Raw text={text} label={`what attempt ${lines[0]!.attempt} logged`} />
    </details>
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
