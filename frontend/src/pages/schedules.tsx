// Schedules: a list with the last runs of each, and a calendar of what is to come.
import type { JSX } from "preact";
import type { ScheduleList, ScheduleRow, ScheduleRun, ScheduleStarted } from "../api.ts";
import { act } from "../core/act.ts";
import { post } from "../core/client.ts";
import { clockTime, duration, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { goQuery, place } from "../core/router.ts";
import { Ago, Badge, Button, Empty } from "../ui/basics.tsx";
import { Segments } from "../ui/form.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Spark } from "../ui/spark.tsx";
import { Table } from "../ui/table.tsx";
import { CalendarView } from "./calendar.tsx";
import { ScheduleDetailPage } from "./schedule.tsx";

export function SchedulesPage({ name }: { name?: string }): JSX.Element {
  return name === undefined ? <All /> : <ScheduleDetailPage name={name} />;
}

function All(): JSX.Element {
  const load = useLoad<ScheduleList>("api/schedules");
  const view = place.value.query.get("view") === "calendar" ? "calendar" : "list";
  const views = (
    <Segments
      label="View"
      value={view}
      options={[{ value: "list", text: "List" }, { value: "calendar", text: "Calendar" }]}
      onChange={(value) => goQuery({ view: value === "list" ? null : value })}
    />
  );
  return (
    <Page title="Schedules" commands={load.data?.commands} actions={views}>
      <Loaded
        load={load}
        isEmpty={(data) => data.schedules.length === 0}
        empty={<Empty title="No schedule yet"><p>A schedule enqueues a job again and again: <code>@app.periodic(every="15m")</code> declares one.</p></Empty>}
      >
        {(data) => (view === "calendar" ? <CalendarView /> : <List rows={data.schedules} />)}
      </Loaded>
    </Page>
  );
}

function List({ rows }: { rows: ScheduleRow[] }): JSX.Element {
  return (
    <Table
      caption="Schedules"
      rows={rows}
      rowKey={(row) => row.name}
      href={(row) => `schedules/${encodeURIComponent(row.name)}`}
      columns={[
        { title: "Schedule", cell: (row) => row.name },
        { title: "When", grow: true, cell: (row) => <span class="dim">{row.problem ? "cannot be read" : row.rule}</span> },
        { title: "Next", cell: (row) => <NextRun row={row} /> },
        { title: "Last runs", cell: (row) => <Runs runs={row.runs} /> },
        { title: "Actions", quiet: true, align: "end", cell: (row) => <span class="row-actions"><ScheduleActions row={row} /></span> },
      ]}
    />
  );
}

export function NextRun({ row }: { row: ScheduleRow }): JSX.Element {
  if (row.problem) return <Badge state="warning">unreadable</Badge>;
  if (row.paused) return <Badge state="held">paused</Badge>;
  if (row.ended || !row.next_at) return <span class="dim">never again</span>;
  return <span class="nowrap"><Ago at={row.next_at} /> <span class="dim">{clockTime(row.next_at)}</span></span>;
}

export function Runs({ runs, width = 110, height = 20 }: { runs: ScheduleRun[]; width?: number; height?: number }): JSX.Element {
  if (runs.length === 0) return <span class="dim nowrap">none kept</span>;
  const failed = runs.filter((run) => run.status === "FAILED").length;
  const last = runs[runs.length - 1]!;
  const top = Math.max(...runs.map((run) => run.run_s ?? 0), 0.001);
  const label = `${plural(runs.length, "run")}, ${failed} failed; the last one ${last.status.toLowerCase()} in ${duration(last.run_s === null ? null : last.run_s * 1000)}`;
  return (
    <Spark
      values={runs.map((run) => (run.status === "FAILED" ? top : (run.run_s ?? 0)))}
      kinds={runs.map((run) => (run.status === "FAILED" ? "bad" : run.status === "COMPLETED" ? "good" : "idle"))}
      label={label}
      width={Math.min(width, runs.length * 8)}
      height={height}
    />
  );
}

export function ScheduleActions({ row, small = true }: { row: ScheduleRow; small?: boolean }): JSX.Element | null {
  if (row.problem) return null;
  const url = `api/schedules/${encodeURIComponent(row.name)}`;
  const verb = row.paused ? "resume" : "pause";
  const run = (): Promise<unknown> =>
    act(
      () => post<ScheduleStarted>(`${url}/run`),
      (made) => (made.created ? `Job ${made.job_id} is enqueued` : `Job ${made.job_id} is not over: no second one was made`),
      (made) => ({ href: `jobs/${made.job_id}`, text: "Look at it" }),
    );
  return (
    <>
      <Button small={small} action kind="quiet" icon={row.paused ? "clock" : "pause"} onClick={() => act(() => post(`${url}/${verb}`), `${row.name} is ${verb}d`)}>
        {row.paused ? "Resume" : "Pause"}
      </Button>
      <Button small={small} action icon="run" onClick={run}>Run now</Button>
    </>
  );
}
