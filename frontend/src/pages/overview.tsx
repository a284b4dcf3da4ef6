// How much work there is, how it goes, and how long it takes.
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Count, Counts, Durations, Failure, Group, Overview, Series, Waiting } from "../api.ts";
import { now } from "../core/clock.ts";
import { DASH, duration, number, plural, short } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { goQuery, place } from "../core/router.ts";
import { Ago, Empty, LinkButton, Section } from "../ui/basics.tsx";
import { Chart, type Line } from "../ui/chart.tsx";
import { Segments, TabPanel, Tabs } from "../ui/form.tsx";
import { StateMark, type Mark } from "../ui/icon.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";

const RANGES = ["15m", "1h", "6h", "24h"] as const;
type Range = (typeof RANGES)[number];
const SPANS: Record<Range, string> = { "15m": "15 min", "1h": "1 h", "6h": "6 h", "24h": "24 h" };
const WORDS: Record<Range, string> = { "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours" };

export function OverviewPage(): JSX.Element {
  const word = place.value.query.get("range");
  const range = RANGES.find((one) => one === word) ?? "1h";
  const load = useLoad<Overview>("api/overview", { range });
  return (
    <Page
      title="Overview"
      commands={load.data?.commands}
      actions={
        <Segments<Range>
          label="How far back"
          value={range}
          onChange={(chosen) => goQuery({ range: chosen === "1h" ? null : chosen }, { replace: true })}
          options={RANGES.map((value) => ({ value, text: SPANS[value] }))}
        />
      }
    >
      <Loaded load={load} lines={10}>
        {(data) => (
          <>
            <Stats counts={data.counts} />
            <Charts data={data} />
            <div class="columns">
              <div>
                <Groups data={data} />
              </div>
              <div>
                <Failures data={data} />
                <Oldest waits={data.oldest} />
              </div>
            </div>
          </>
        )}
      </Loaded>
    </Page>
  );
}

const STATS: [keyof Counts, string, Mark, string][] = [
  ["running", "Running", "running", "status=RUNNING"],
  ["ready", "Ready", "ready", "status=PENDING&held=false"],
  ["scheduled", "Scheduled", "scheduled", "status=PENDING&held=false"],
  ["held", "Held", "held", "status=PENDING&held=true"],
  ["failed", "Failed", "failed", "status=FAILED"],
  ["completed", "Completed", "completed", "status=COMPLETED"],
];

function Stats({ counts }: { counts: Counts }): JSX.Element {
  const text = (count: Count): string => `${short(count.value)}${count.is_least ? "+" : ""}`;
  return (
    <div class="stats panel">
      {STATS.map(([name, title, mark, query]) => (
        <a key={name} href={`jobs?${query}`}>
          <span class="stat-name"><StateMark state={mark} />{title}</span>
          <span class="stat-value">{text(counts[name])}</span>
        </a>
      ))}
    </div>
  );
}

/** The series up to the present moment: a quiet service is not asked, yet time goes on. */
function upToNow(series: Series, bucket_s: number, now_s: number): Series {
  const last = series.at.at(-1);
  const more = last === undefined ? 0 : Math.min(series.at.length, Math.floor((now_s - last) / bucket_s));
  if (more <= 0) return series;
  const moved = { ...series, at: [...series.at.slice(more), ...Array.from({ length: more }, (_, step) => last! + (step + 1) * bucket_s)] };
  for (const [name, values] of Object.entries(series) as [keyof Series, (number | null)[]][]) {
    if (name !== "at") moved[name] = [...values.slice(more), ...Array<null>(more).fill(null)] as number[];
  }
  return moved;
}

const lines = (series: Series, kind: "wait" | "run"): Line[] => [
  { name: "p50", values: series[`${kind}_p50_ms`], colour: "accent" },
  { name: "p95", values: series[`${kind}_p95_ms`], colour: "busy", dash: [6, 3] },
  { name: "p99", values: series[`${kind}_p99_ms`], colour: "idle", dash: [2, 3] },
];

function Charts({ data }: { data: Overview }): JSX.Element {
  const tick = Math.floor(now.value / 1_000 / data.bucket_s);
  const series = useMemo(() => upToNow(data.series, data.bucket_s, now.peek() / 1_000), [data, tick]);
  const done: Line[] = useMemo(() => [{ name: "completed", values: series.completed, colour: "accent" }, { name: "cancelled", values: series.cancelled, colour: "line-strong" }], [series]);
  const wrong: Line[] = useMemo(() => [{ name: "failed", values: series.failed, colour: "chart-bad" }, { name: "retried", values: series.retried, colour: "chart-warn" }], [series]);
  const wait = useMemo(() => lines(series, "wait"), [series]);
  const run = useMemo(() => lines(series, "run"), [series]);
  const { outcomes } = data;
  const common = { at: series.at, bucket_s: data.bucket_s };
  const rate = data.per_s >= 10 ? number(Math.round(data.per_s)) : String(Math.round(data.per_s * 10) / 10);
  const each = data.bucket_s === 60 ? "a minute" : `each ${duration(data.bucket_s * 1_000)}`;
  return (
    <div class="charts">
      <Chart {...common} title={`Throughput, ${each}`} figure={rate} unit="a second now" kind="bars" lines={done} format={short} empty={`Nothing ran in the last ${WORDS[data.range]}.`} />
      <Chart {...common} title={`Failures, ${each}`} figure={number(outcomes.failed)} unit={`failed, ${number(outcomes.retried)} retried`} kind="bars" lines={wrong} format={short} empty={`Nothing failed in the last ${WORDS[data.range]}.`} />
      <Chart {...common} title="Waiting time" figure={duration(data.wait.p95_ms)} unit="p95" kind="lines" lines={wait} format={duration} empty="Nothing waited." />
      <Chart {...common} title="Run time" figure={duration(data.run.p95_ms)} unit="p95" kind="lines" lines={run} format={duration} empty="Nothing ran." />
    </div>
  );
}

function Groups({ data }: { data: Overview }): JSX.Element {
  const [by, setBy] = useState<"key" | "queue">("key");
  const groups = by === "queue" ? data.by_queue : data.by_key;
  const name = by === "queue" ? "Queue" : "Job";
  const ends = (group: Group): number => group.outcomes.completed + group.outcomes.failed;
  const three = (spans: Durations): string => (spans.count === 0 ? DASH : duration(spans.p95_ms));
  return (
    <section class="section">
      <Tabs<"key" | "queue"> label="Group by" value={by} onChange={setBy} options={[{ value: "key", text: "By job" }, { value: "queue", text: "By queue" }]} />
      <TabPanel label={name}>
        {groups.length === 0 ? (
          <Empty title={`No job ran in the last ${WORDS[data.range]}`}><LinkButton href="run" icon="run">Run one</LinkButton></Empty>
        ) : (
          <Table<Group>
            dense
            caption={`What ran, by ${name.toLowerCase()}`}
            rows={groups}
            rowKey={(group) => group.name}
            href={(group) => `jobs?${by}=${encodeURIComponent(group.name)}`}
            columns={[
              { title: name, cell: (group) => group.name, grow: true },
              { title: "Ended", cell: (group) => number(ends(group)), align: "end" },
              { title: "Failed", cell: (group) => (group.outcomes.failed ? <span class="bad">{number(group.outcomes.failed)}</span> : <span class="dim">0</span>), align: "end" },
              { title: "Retried", cell: (group) => (group.outcomes.retried ? number(group.outcomes.retried) : <span class="dim">0</span>), align: "end", hide: "phone" },
              { title: "Wait p95", cell: (group) => three(group.wait), align: "end", hide: "phone" },
              { title: "Run p50", cell: (group) => duration(group.run.p50_ms), align: "end", hide: "phone" },
              { title: "Run p95", cell: (group) => three(group.run), align: "end" },
              { title: "Run p99", cell: (group) => duration(group.run.p99_ms), align: "end", hide: "phone" },
            ]}
          />
        )}
      </TabPanel>
    </section>
  );
}

function Failures({ data }: { data: Overview }): JSX.Element {
  return (
    <Section title="What fails" aside={data.failures.length > 0 && <a href="jobs?status=FAILED">All failed jobs</a>}>
      {data.failures.length === 0 ? (
        <Empty title="Nothing failed for good" />
      ) : (
        <ul class="lines">
          {data.failures.slice(0, 8).map((failure: Failure) => (
            <li key={`${failure.key} ${failure.message}`} data-row={`f${failure.last_job_id}`} class="leads">
              <a data-open href={failure.count === 1 ? `jobs/${failure.last_job_id}` : `jobs?${new URLSearchParams({ status: "FAILED", key: failure.key, ...(failure.like && { like: failure.like }) })}`}>
                <span>{failure.key}</span>
                <span class="end">{number(failure.count)}×</span>
              </a>
              <p class="cut dim" title={failure.message}>{failure.varies && "e.g. "}{failure.message || "no message"}</p>
              <span class="end dim"><Ago at={failure.last_at} /></span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Oldest({ waits }: { waits: Waiting[] }): JSX.Element {
  return (
    <Section title="What waits longest">
      {waits.length === 0 ? (
        <Empty title="Nothing waits that could run" />
      ) : (
        <ul class="lines">
          {waits.slice(0, 6).map((wait) => (
            <li key={wait.job_id} data-row={`w${wait.job_id}`} class="leads">
              <a data-open href={`jobs/${wait.job_id}`}>
                <span>{wait.key}</span>
                <span class="end"><Ago at={wait.waiting_since} bare /></span>
              </a>
              <p class="cut dim">
                {plural(wait.ready.value, "job")}{wait.ready.is_least && " or more"} ready in {wait.queue}
              </p>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
