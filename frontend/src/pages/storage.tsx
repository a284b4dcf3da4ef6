// Storage: how large the file and its log are, or how the server is; what threatens them, and backups.
import type { JSX } from "preact";
import type { Backup, Command, Finding, ServerState, Storage, TableState } from "../api.ts";
import { act } from "../core/act.ts";
import { post } from "../core/client.ts";
import { bytes, duration, number } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Badge, Button, Fact, Facts, Section } from "../ui/basics.tsx";
import { Cli } from "../ui/code.tsx";
import type { Mark } from "../ui/icon.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";

const MARKS: Record<Finding["level"], Mark> = { ok: "completed", note: "waiting", warning: "warning", problem: "failed" };
const WORST: Finding["level"][] = ["problem", "warning", "note", "ok"];

/** PostgreSQL's own tools: they stand where others have their backups. */
const isOfServer = (command: string): boolean => command.startsWith("pg_");

export function StoragePage(): JSX.Element {
  const load = useLoad<Storage>("api/storage");
  const backup = (): Promise<unknown> =>
    act(() => post<Backup>("api/storage/backup"), (made) => `${made.name}, ${bytes(made.size_bytes)}, is written`);
  return (
    <Page
      title="Storage"
      commands={load.data?.commands.filter(({ command }) => !isOfServer(command))}
      actions={load.data && !load.data.server && <Button action kind="primary" icon="storage" onClick={backup}>Backup now</Button>}
    >
      <Loaded load={load}>{(data) => <Health data={data} />}</Loaded>
    </Page>
  );
}

function Health({ data }: { data: Storage }): JSX.Element {
  const { server } = data;
  return (
    <>
      <div class="figures">
        <Figure name="Database" value={bytes(data.file_bytes)} />
        {server ? <ServerFigures server={server} /> : (
          <>
            <Figure name="Write-ahead log" value={bytes(data.wal_bytes)} />
            <Figure name="Room left" value={bytes(data.free_bytes)} />
            <Figure name="Checkpoint" value={<Ago at={data.checkpointed_at} />} />
          </>
        )}
      </div>
      <Section title="Health"><Findings all={data.findings} /></Section>
      <Section title={server ? "The server" : "The file"}>
        <Facts>
          <Fact name={server ? "Address" : "Path"}><span class="mono address">{data.path}</span></Fact>
          <Fact name="File system">{data.file_system}</Fact>
          <Fact name="SQLite">{data.sqlite}</Fact>
          <Fact name="PostgreSQL">{server?.version}</Fact>
          <Fact name="Schema">{data.schema}</Fact>
          <Fact name="Standbys">{server?.standbys.length ? <ul>{server.standbys.map((name) => <li key={name}>{name}</li>)}</ul> : null}</Fact>
        </Facts>
      </Section>
      {server ? <OnServer tables={server.tables} commands={data.commands} /> : <Section title="Backups"><Backups rows={data.backups} /></Section>}
    </>
  );
}

function ServerFigures({ server }: { server: ServerState }): JSX.Element {
  const ms = server.skew_s * 1_000; // the way there and back is in it
  return (
    <>
      <Figure name="Connections" value={<>{number(server.connections)}<small> of {number(server.connections_most)}</small></>} />
      <Figure name="Its clock is" value={Math.abs(ms) < 50 ? "right" : <>{duration(Math.abs(ms))}<small> {ms < 0 ? "behind" : "ahead"}</small></>} />
      <Figure name="Standbys" value={number(server.standbys.length)} />
    </>
  );
}

function Findings({ all }: { all: Finding[] }): JSX.Element {
  if (all.length === 0) return <p><Badge state="completed">Nothing threatens it</Badge></p>;
  return (
    <ul class="findings">
      {[...all].sort((one, other) => WORST.indexOf(one.level) - WORST.indexOf(other.level)).map((finding) => (
        <li key={finding.text}>
          <Badge state={MARKS[finding.level]}>{finding.check}</Badge>
          <div>
            <p>{finding.text}</p>
            {finding.way_out && <p class="way-out">{/^windlass /.test(finding.way_out) ? <Cli command={finding.way_out} /> : <span class="dim">{finding.way_out}</span>}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

function OnServer({ tables, commands }: { tables: TableState[]; commands: Command[] }): JSX.Element {
  return (
    <>
      <Section title="Tables" aside={<span class="dim">as the server's statistics have them</span>}>
        <Table
          dense
          caption="Tables"
          rows={tables}
          rowKey={(one) => one.name}
          columns={[
            { title: "Table", grow: true, cell: (one) => <span class="mono" title={one.name}>{one.name}</span> },
            { title: "Live rows", align: "end", cell: (one) => number(one.live_rows) },
            { title: "Dead rows", align: "end", hide: "phone", cell: (one) => <span class={one.dead_rows ? undefined : "zero"}>{number(one.dead_rows)}</span> },
            { title: "Size", align: "end", cell: (one) => bytes(one.size_bytes) },
          ]}
        />
      </Section>
      <Section title="Backups">
        <p>The server's own tools copy it, while everything runs. Windlass makes copies of files alone.</p>
        <ul class="copies">
          {commands.filter(({ command }) => isOfServer(command)).map(({ does, command }) => (
            <li key={command}><span class="dim">{does}</span> <Cli command={command} /></li>
          ))}
        </ul>
      </Section>
    </>
  );
}

function Backups({ rows }: { rows: Backup[] }): JSX.Element {
  if (rows.length === 0) return <p class="dim">None was made from here. A backup is a whole copy of the database, taken while everything runs.</p>;
  return (
    <Table
      caption="Backups"
      rows={rows}
      rowKey={(one) => one.path}
      columns={[
        { title: "File", grow: true, cell: (one) => <span class="mono" title={one.path}>{one.name}</span> },
        { title: "Size", align: "end", cell: (one) => bytes(one.size_bytes) },
        { title: "Made", align: "end", cell: (one) => <Ago at={one.made_at} /> },
      ]}
    />
  );
}

export function Figure({ name, value }: { name: string; value: JSX.Element | string }): JSX.Element {
  return <dl class="figure-of"><dt>{name}</dt><dd>{value}</dd></dl>;
}
