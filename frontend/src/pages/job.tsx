// One job: what it is, how it went, and why it is not running.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Done, JobDetail } from "../api.ts";
import { act, confirm } from "../core/act.ts";
import { post, send } from "../core/client.ts";
import { now } from "../core/clock.ts";
import { clockTime, coarse, duration, fullTime, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { go } from "../core/router.ts";
import { Ago, Badge, Button, Callout, Fact, Facts, Progress, Section, Tag } from "../ui/basics.tsx";
import { Json, Raw } from "../ui/code.tsx";
import { StateMark } from "../ui/icon.tsx";
import { Loaded, Page, useKeys } from "../ui/page.tsx";
import { CopyDialog } from "./job-copy.tsx";
import { JobGraph } from "./job-graph.tsx";
import { Timeline } from "./job-timeline.tsx";

export function JobPage({ id }: { id: string }): JSX.Element {
  const path = `api/jobs/${encodeURIComponent(id)}`;
  const load = useLoad<JobDetail>(path);
  const [copying, setCopying] = useState(false);
  const job = load.data;
  const can = (verb: JobDetail["can"][number]): boolean => job?.can.includes(verb) ?? false;
  const retry = (): Promise<unknown> => act(() => post<Done>(`${path}/retry`), `Job ${id} runs again`);
  const cancel = (): Promise<unknown> =>
    act(() => post<Done>(`${path}/cancel`), (done) => (done.status === "RUNNING" ? `Job ${id} is asked to stop` : `Job ${id} is cancelled`));
  const remove = async (): Promise<void> => {
    const sure = await confirm({ title: `Delete job ${id}?`, text: "It is gone for good, with its result and its history.", action: "Delete", danger: true });
    if (sure && (await act(() => send<Done>("DELETE", path), `Job ${id} is deleted`))) go("jobs");
  };
  useKeys(
    [
      { keys: "r", does: "Retry", group: "This page", run: () => can("retry") && void retry() },
      { keys: "c", does: "Cancel", group: "This page", run: () => can("cancel") && void cancel() },
      { keys: "e", does: "Edit and run as a new job", group: "This page", run: () => can("copy") && setCopying(true) },
      { keys: "#", does: "Delete", group: "This page", run: () => can("delete") && void remove() },
      { keys: "u", does: "Up to the jobs", group: "This page", run: () => go("jobs") },
    ],
    [job],
  );
  return (
    <Page
      title={job ? `${job.key} ${id}` : `Job ${id}`}
      heading={job && <>{job.key} <span class="job-number">{id}</span></>}
      up={{ href: "jobs", text: "Jobs" }}
      commands={job?.commands}
      actions={
        job && (
          <>
            {can("copy") && <Button action icon="edit" onClick={() => setCopying(true)}>Edit and run again</Button>}
            {can("delete") && <Button action kind="quiet" icon="trash" label="Delete" onClick={remove} />}
            {can("cancel") && <Button action icon="cancel" onClick={cancel}>Cancel</Button>}
            {can("retry") && <Button action kind={job.status === "FAILED" ? "primary" : "plain"} icon="retry" onClick={retry}>Retry</Button>}
          </>
        )
      }
    >
      <Loaded load={load} lines={8}>
        {(data) => (
          <>
            <Standing job={data} />
            <div class="columns job-columns">
              <div>
                {data.graph && <Section title="Waits for, and is waited for"><JobGraph graph={data.graph} self={data.id} /></Section>}
                <Section title="Attempts"><Timeline job={data} /></Section>
                <Section title="Payload">
                  {data.payload_text === null ? <p class="dim">None.</p> : <Json text={data.payload_text} label="the payload" />}
                </Section>
                {data.status === "COMPLETED" && (
                  <Section title="Result">
                    {data.result_text === null ? <p class="dim">It gave none.</p> : <Json text={data.result_text} label="the result" />}
                  </Section>
                )}
                {data.last_error && data.history.every((one) => one.error !== data.last_error) && (
                  <Section title="Last error"><Raw text={data.last_error} label="the last error" /></Section>
                )}
              </div>
              <Sheet job={data} />
            </div>
          </>
        )}
      </Loaded>
      {copying && job && <CopyDialog job={job} onClose={() => setCopying(false)} />}
    </Page>
  );
}

/** The first thing to see: how it stands, and if it does not run, why. */
function Standing({ job }: { job: JobDetail }): JSX.Element {
  if (job.status === "PENDING") {
    const held = job.state === "held" || job.state === "waiting";
    return (
      <div class={`standing is-${job.state}${held ? " is-stuck" : ""}`}>
        <StateMark state={job.state} />
        <div>
          <h2>Why it is not running</h2>
          <p class="standing-reason">{job.why.reason}</p>
          {job.why.until && <p class="dim"><Until at={job.why.until} /></p>}
        </div>
      </div>
    );
  }
  if (job.status === "RUNNING") return <Running job={job} />;
  if (job.status === "FAILED") {
    return <Callout kind="danger" title={`Failed${job.reason ? `: ${job.reason}` : ""}`}><p>{job.error ?? job.why.reason}</p></Callout>;
  }
  return (
    <p class="standing-line">
      <Badge state={job.state}>{job.status === "COMPLETED" ? "Completed" : "Cancelled"}</Badge>
      <span class="dim"><Ago at={job.finished_at} />{job.reason ? `, ${job.reason}` : ""}</span>
    </p>
  );
}

function Until({ at }: { at: string }): JSX.Element {
  const left = Date.parse(at) - now.value;
  return <>{left > 0 ? `${duration(Math.ceil(left / 1_000) * 1_000)} left: ` : "due since "}<time datetime={at} title={fullTime(at)}>{clockTime(at)}</time></>;
}

function Running({ job }: { job: JobDetail }): JSX.Element {
  const { progress, lease } = job;
  const for_ms = job.started_at ? now.value - Date.parse(job.started_at) : null;
  return (
    <div class="standing is-running">
      <StateMark state="running" />
      <div>
        <h2>Running{for_ms !== null && ` for ${coarse(for_ms)}`}{job.cancel_requested && ", asked to stop"}</h2>
        {progress && (
          <>
            <Progress done={progress.done} of={progress.total} label="Progress" />
            <p>{progress.total ? `${progress.done} of ${progress.total}` : progress.done}{progress.message && ` · ${progress.message}`}</p>
          </>
        )}
        <p class="dim">
          {lease ? `Leased by dispatcher ${lease.dispatcher}, process ${lease.pid} on ${lease.host}${lease.alive ? "" : ", which is dead: it runs again soon"}` : "Its dispatcher is not known"}
        </p>
      </div>
    </div>
  );
}

function Sheet({ job }: { job: JobDetail }): JSX.Element {
  const at = (time: string | null): ComponentChildren => time && <time datetime={time} title={fullTime(time)}>{clockTime(time)}</time>;
  const meta = Object.keys(job.meta).length > 0;
  return (
    <aside class="job-sheet" aria-label="Facts">
      <Section title="Facts">
        <Facts>
          <Fact name="State"><Badge state={job.state} /></Fact>
          <Fact name="Job"><a href={`jobs?key=${encodeURIComponent(job.key)}`}>{job.key}</a></Fact>
          <Fact name="Queue"><a href={`jobs?queue=${encodeURIComponent(job.queue)}`}>{job.queue}</a></Fact>
          <Fact name="Priority">{job.priority}</Fact>
          <Fact name="Attempts">{job.attempts} of {job.max_attempts}</Fact>
          <Fact name="Enqueued">{at(job.created_at)}</Fact>
          <Fact name="Due">{at(job.run_at)}</Fact>
          <Fact name="Started">{at(job.started_at)}</Fact>
          <Fact name="Ended">{at(job.finished_at)}</Fact>
          <Fact name="Ran for">{job.started_at && job.finished_at ? duration(Date.parse(job.finished_at) - Date.parse(job.started_at)) : null}</Fact>
          <Fact name="Deadline">{at(job.deadline)}</Fact>
          <Fact name="Timeout">{job.timeout_s === null ? null : duration(job.timeout_s * 1_000)}</Fact>
          <Fact name="Unique key">{job.unique && <a href={`jobs?unique=${encodeURIComponent(job.unique)}`}>{job.unique}</a>}</Fact>
          <Fact name="Idempotency">{job.idempotency_key}</Fact>
          <Fact name="Waits for">{job.waits_for ? plural(job.waits_for, "job") : null}</Fact>
          <Fact name="Crashes">{job.crashes || null}</Fact>
          <Fact name="Tags">
            {job.tags.length > 0 ? <span class="tags">{job.tags.map((tag) => <Tag key={tag} href={`jobs?tag=${encodeURIComponent(tag)}`}>{tag}</Tag>)}</span> : null}
          </Fact>
          <Fact name="Handler">{job.known ? null : "not known to this program"}</Fact>
        </Facts>
      </Section>
      {job.constraints && <Section title="Runs only while"><Json value={job.constraints} label="its constraints" /></Section>}
      {meta && <Section title="Notes of the program"><Json value={job.meta} label="its meta data" /></Section>}
    </aside>
  );
}
