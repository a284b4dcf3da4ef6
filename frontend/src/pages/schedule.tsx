// One schedule: how it is made, its next times, its last runs, and what it missed.
import type { JSX } from "preact";
import type { JobStatus, ScheduleDetail, ScheduleRun, ScheduleTime } from "../api.ts";
import { clockTime, duration, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Badge, Callout, Fact, Facts, Section } from "../ui/basics.tsx";
import { Json } from "../ui/code.tsx";
import { Icon, type Mark } from "../ui/icon.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { Change, localZone } from "./calendar.tsx";
import { NextRun, Runs, ScheduleActions } from "./schedules.tsx";

const MISSED = {
  latest: "one run for all of them",
  skip: "none, where the newest is over a minute late",
  all: "a run for each",
} as const;
const AT_FIRST = 8;

export function ScheduleDetailPage({ name }: { name: string }): JSX.Element {
  const load = useLoad<ScheduleDetail>(`api/schedules/${encodeURIComponent(name)}`, { days: 31, tz: localZone() });
  const row = load.data?.schedule;
  return (
    <Page
      title={name}
      up={{ href: "schedules", text: "Schedules" }}
      commands={load.data?.commands}
      actions={row && <ScheduleActions row={row} small={false} />}
    >
      <Loaded load={load}>{(data) => <Detail data={data} />}</Loaded>
    </Page>
  );
}

function Detail({ data }: { data: ScheduleDetail }): JSX.Element {
  const row = data.schedule;
  const runs = [...row.runs].reverse();
  if (row.problem) return <Callout kind="danger" title="It makes no jobs: what is stored cannot be read"><p>{row.problem}</p></Callout>;
  return (
    <>
      <div class="two-columns">
        <Facts>
          <Fact name="When">{row.rule}</Fact>
          <Fact name="Next"><NextRun row={row} /></Fact>
          <Fact name="Job key"><a href={`run?key=${encodeURIComponent(row.key)}`} class="mono">{row.key}</a></Fact>
          <Fact name="Last runs"><Runs runs={row.runs} width={240} height={28} /></Fact>
        </Facts>
        <Facts>
          <Fact name="Missed times">{MISSED[data.missed_policy]}</Fact>
          <Fact name="Overlap">{data.overlap ? "allowed" : "never: the next run waits for the last one"}</Fact>
          <Fact name="Flex">{data.flex_s ? `up to ${duration(data.flex_s * 1000)} later` : null}</Fact>
          <Fact name="Conditions">{data.constraints && <code>{JSON.stringify(data.constraints)}</code>}</Fact>
        </Facts>
      </div>
      {data.payload && Object.keys(data.payload).length > 0 && <Section title="Payload"><Json value={data.payload} label="the payload" /></Section>}
      <div class="two-columns">
        <Section title="Next times" aside={<span class="dim">31 days</span>}>
          {data.changes.map((change) => <Change key={change.at} change={change} />)}
          {data.next.length === 0 ? <p class="dim">None within 31 days.</p> : <Times times={data.next} tz={row.tz} more={data.more} />}
        </Section>
        <Section title="Missed" aside={<span class="dim">{data.missed_since && <>since <Ago at={data.missed_since} /></>}</span>}>
          <Missed data={data} />
        </Section>
      </div>
      <Section title="Last runs">
        {runs.length === 0 ? <p class="dim">No run is kept.</p> : <RunTable runs={runs.slice(0, AT_FIRST)} />}
        {runs.length > AT_FIRST && (
          <p class="rest"><a href={`jobs?key=${encodeURIComponent(row.key)}`}>All jobs of {row.key}</a></p>
        )}
      </Section>
    </>
  );
}

function Missed({ data }: { data: ScheduleDetail }): JSX.Element {
  if (!data.missed_since) return <p class="dim">No run is kept, so there is nothing to tell it by.</p>;
  if (data.missed.length === 0) return <p class="dim">Nothing was missed.</p>;
  return (
    <>
      <p class="dim">
        {data.missed_more ? "More than " : ""}{plural(data.missed.length, "time")} had no run: nobody ran jobs then, it was paused, or one run stood for several.
      </p>
      <Times times={data.missed} tz={data.schedule.tz} more={data.missed_more} />
    </>
  );
}

/** In local time, and beside it what the clocks of its zone show where those are others. */
function Times({ times, tz, more }: { times: ScheduleTime[]; tz: string | null; more: boolean }): JSX.Element {
  const elsewhere = tz !== null && tz !== localZone();
  const line = (time: ScheduleTime): JSX.Element => (
    <li key={time.at}>
      <time dateTime={time.at}>{weekday(time.at)} {clockTime(time.at)}</time>
      {elsewhere && <span class="dim">{time.local.slice(11, 16)}<span class="zone"> {tz}</span></span>}
      <span class="dim end"><Ago at={time.at} /></span>
      {time.note && <span class="clock-note"><Icon name="clock" size={13} />{time.note}</span>}
    </li>
  );
  return (
    <>
      <ol class="times">{times.slice(0, AT_FIRST).map(line)}</ol>
      {times.length > AT_FIRST && (
        <details class="more">
          <summary>{more ? "over " : ""}{plural(times.length - AT_FIRST, "more", "more")}</summary>
          <ol class="times">{times.slice(AT_FIRST).map(line)}</ol>
        </details>
      )}
    </>
  );
}

const weekday = (at: string): string => new Date(at).toLocaleDateString("en-GB", { weekday: "short" });

export const markOf = (status: JobStatus): Mark => (status === "PENDING" ? "ready" : (status.toLowerCase() as Mark));

function RunTable({ runs }: { runs: ScheduleRun[] }): JSX.Element {
  return (
    <Table
      caption="Last runs"
      rows={runs}
      rowKey={(run) => run.job_id}
      href={(run) => `jobs/${run.job_id}`}
      columns={[
        { title: "Job", cell: (run) => run.job_id },
        { title: "Due", cell: (run) => <span class="nowrap">{clockTime(run.due_at)}</span> },
        { title: "State", cell: (run) => <Badge state={markOf(run.status)}>{run.status.toLowerCase()}</Badge> },
        { title: "Late", align: "end", cell: (run) => duration(run.late_s === null ? null : run.late_s * 1000) },
        { title: "Took", align: "end", cell: (run) => duration(run.run_s === null ? null : run.run_s * 1000) },
        { title: "Error", grow: true, cell: (run) => run.error ?? "" },
      ]}
    />
  );
}
