// Workers: the services of this database, their processes and memory, and what they run now.
import type { JSX } from "preact";
import type { RunningJob, Worker, Workers } from "../api.ts";
import { bytes, number, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Badge, Empty, Fact, Facts, LinkButton, Progress, Section } from "../ui/basics.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { ScaleButton } from "./scale.tsx";

const ROLES = { supervisor: "keeps the service alive", dispatcher: "claims and settles jobs", isolate: "runs jobs" } as const;

export function WorkersPage(): JSX.Element {
  const load = useLoad<Workers>("api/workers");
  return (
    <Page title="Workers" commands={load.data?.commands} actions={<ScaleButton />}>
      <Loaded
        load={load}
        isEmpty={(data) => data.workers.length === 0}
        empty={
          <Empty title="Nobody runs jobs">
            <p>Jobs wait until a service is started, or a program runs them within itself.</p>
            <p><LinkButton href="service" icon="service">To the service</LinkButton></p>
          </Empty>
        }
      >
        {(data) => <>{data.workers.map((worker) => <One key={worker.id} worker={worker} />)}</>}
      </Loaded>
    </Page>
  );
}

function One({ worker }: { worker: Worker }): JSX.Element {
  const most = Math.max(1, ...worker.processes.map((process) => process.memory_bytes ?? 0));
  return (
    <Section
      title={`${worker.host}, process ${worker.pid}`}
      aside={<Badge state={worker.alive ? "completed" : "failed"}>{worker.alive ? "alive" : "gone"}</Badge>}
    >
      <div class="panel is-padded two-columns">
        <Facts>
          <Fact name="Running">{plural(worker.running, "job")}</Fact>
          <Fact name="Memory">{bytes(worker.memory_bytes)}{worker.processes.length > 0 && <span class="dim"> in {plural(worker.processes.length, "process", "processes")}</span>}</Fact>
          <Fact name="Started"><Ago at={worker.started_at} /></Fact>
          <Fact name="Mode">{worker.mode}, Windlass {worker.version}</Fact>
          <Fact name="Job keys">{worker.job_keys === null ? "all" : <Keys keys={worker.job_keys} />}</Fact>
        </Facts>
        {worker.processes.length > 0 ? (
          <ul class="processes" aria-label="Processes">
            {worker.processes.map((process) => (
              <li key={process.pid}>
                <span class="mono">{process.pid}</span>
                <span title={ROLES[process.role]}>{process.role}</span>
                <meter min={0} max={most} value={process.memory_bytes ?? 0} aria-label={`Memory of process ${process.pid}`} />
                <span class="end">{bytes(process.memory_bytes)}</span>
              </li>
            ))}
          </ul>
        ) : <p class="dim">{worker.here ? "Its processes cannot be seen." : "It is on another machine, so its processes cannot be seen here."}</p>}
      </div>
      {worker.jobs.length > 0 && <Running rows={worker.jobs} total={worker.running} />}
    </Section>
  );
}

function Keys({ keys }: { keys: string[] }): JSX.Element {
  const shown = keys.slice(0, 6).join(", ");
  return <span title={keys.join(", ")}>{shown}{keys.length > 6 && <span class="dim"> and {number(keys.length - 6)} more</span>}</span>;
}

function Running({ rows, total }: { rows: RunningJob[]; total: number }): JSX.Element {
  return (
    <div class="running-jobs">
      <Table
        caption="Running jobs"
        rows={rows}
        rowKey={(job) => job.id}
        href={(job) => `jobs/${job.id}`}
        columns={[
          { title: "Job", grow: true, cell: (job) => <><span class="job-id">{job.id}</span> {job.key}</> },
          { title: "Queue", cell: (job) => job.queue },
          { title: "Attempt", align: "end", cell: (job) => job.attempt },
          { title: "For", align: "end", cell: (job) => <Ago at={job.started_at} bare /> },
          { title: "Progress", cell: (job) => (job.progress === null ? "" : <span class="job-progress"><Progress done={job.progress} of={1} label={`Progress of job ${job.id}`} /></span>) },
        ]}
      />
      {total > rows.length && <p class="dim rest">The oldest {number(rows.length)} of {number(total)}.</p>}
    </div>
  );
}
