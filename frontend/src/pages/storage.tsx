// Storage: how large the file and its log are, what threatens them, and backups.
import type { JSX } from "preact";
import type { Backup, Finding, Storage } from "../api.ts";
import { act } from "../core/act.ts";
import { post } from "../core/client.ts";
import { bytes } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Badge, Button, Fact, Facts, Section } from "../ui/basics.tsx";
import { Cli } from "../ui/code.tsx";
import type { Mark } from "../ui/icon.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";

const MARKS: Record<Finding["level"], Mark> = { ok: "completed", note: "waiting", warning: "warning", problem: "failed" };
const WORST: Finding["level"][] = ["problem", "warning", "note", "ok"];

export function StoragePage(): JSX.Element {
  const load = useLoad<Storage>("api/storage");
  const backup = (): Promise<unknown> =>
    act(() => post<Backup>("api/storage/backup"), (made) => `${made.name}, ${bytes(made.size_bytes)}, is written`);
  return (
    <Page
      title="Storage"
      commands={load.data?.commands}
      actions={<Button action kind="primary" icon="storage" onClick={backup}>Backup now</Button>}
    >
      <Loaded load={load}>{(data) => <Health data={data} />}</Loaded>
    </Page>
  );
}

function Health({ data }: { data: Storage }): JSX.Element {
  const findings = [...data.findings].sort((one, other) => WORST.indexOf(one.level) - WORST.indexOf(other.level));
  return (
    <>
      <div class="figures">
        <Figure name="Database" value={bytes(data.file_bytes)} />
        <Figure name="Write-ahead log" value={bytes(data.wal_bytes)} />
        <Figure name="Room left" value={bytes(data.free_bytes)} />
        <Figure name="Checkpoint" value={<Ago at={data.checkpointed_at} />} />
      </div>
      <Section title="Health">
        <ul class="findings">
          {findings.map((finding) => (
            <li key={finding.check}>
              <Badge state={MARKS[finding.level]}>{finding.check}</Badge>
              <div>
                <p>{finding.text}</p>
                {finding.way_out && <p class="way-out">{/^windlass /.test(finding.way_out) ? <Cli command={finding.way_out} /> : <span class="dim">{finding.way_out}</span>}</p>}
              </div>
            </li>
          ))}
        </ul>
      </Section>
      <Section title="The file">
        <Facts>
          <Fact name="Path"><span class="mono">{data.path}</span></Fact>
          <Fact name="File system">{data.file_system}</Fact>
          <Fact name="SQLite">{data.sqlite}</Fact>
          <Fact name="Schema">{data.schema}</Fact>
        </Facts>
      </Section>
      <Section title="Backups">
        {data.backups.length === 0 ? <p class="dim">None was made from here. A backup is a whole copy of the database, taken while everything runs.</p> : (
          <Table
            caption="Backups"
            rows={data.backups}
            rowKey={(one) => one.path}
            columns={[
              { title: "File", grow: true, cell: (one) => <span class="mono" title={one.path}>{one.name}</span> },
              { title: "Size", align: "end", cell: (one) => bytes(one.size_bytes) },
              { title: "Made", align: "end", cell: (one) => <Ago at={one.made_at} /> },
            ]}
          />
        )}
      </Section>
    </>
  );
}

export function Figure({ name, value }: { name: string; value: JSX.Element | string }): JSX.Element {
  return <dl class="figure-of"><dt>{name}</dt><dd>{value}</dd></dl>;
}
