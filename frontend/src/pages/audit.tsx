// The audit log: what was done from here, by whom, and whether it went well.
import type { JSX } from "preact";
import type { AuditEntry, AuditPage as Log } from "../api.ts";
import { clockTime } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { go, goQuery, place } from "../core/router.ts";
import { Badge, Button, Empty, Tag } from "../ui/basics.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";

export function AuditPage(): JSX.Element {
  const query = place.value.query;
  const action = query.get("action");
  const who = query.get("who");
  const after = query.get("after");
  const load = useLoad<Log>("api/audit", { action, who, after });
  const filtered = Boolean(action ?? who);
  const next = load.data?.next;
  return (
    <Page title="Audit log" commands={load.data?.command ? [load.data.command] : undefined}>
      {filtered && (
        <p class="filters">
          {action && <Tag>{action}</Tag>} {who && <Tag>by {who}</Tag>} <Button small kind="quiet" icon="close" onClick={() => go("audit")}>Show all</Button>
        </p>
      )}
      <Loaded
        load={load}
        isEmpty={(data) => data.entries.length === 0}
        empty={filtered ? <Empty title="Nothing of the kind" /> : <Empty title="Nothing was done yet"><p>Every action that is taken in the dashboard is written down here, also one that was refused.</p></Empty>}
      >
        {(data) => <Entries rows={data.entries} />}
      </Loaded>
      {(after || next) && (
        <div class="actions pager">
          {after && <Button icon="up" onClick={() => goQuery({ after: null })}>Newest</Button>}
          {next && <Button icon="right" onClick={() => goQuery({ after: next })}>Older</Button>}
        </div>
      )}
    </Page>
  );
}

function Entries({ rows }: { rows: AuditEntry[] }): JSX.Element {
  return (
    <Table
      caption="What was done"
      rows={rows}
      rowKey={(row) => row.id}
      columns={[
        { title: "When", cell: (row) => <time class="nowrap" dateTime={row.at}>{clockTime(row.at)}</time> },
        { title: "Action", cell: (row) => <a class="mono" href={`audit?action=${encodeURIComponent(row.action)}`}>{row.action}</a> },
        { title: "Subject", cell: (row) => <span class="mono cut subject" title={row.subject ?? undefined}>{row.subject ?? ""}</span> },
        { title: "Details", grow: true, hide: "phone", cell: (row) => <Details row={row} /> },
        { title: "Who", cell: (row) => <a href={`audit?who=${encodeURIComponent(row.who)}`}>{row.who}</a> },
        { title: "Outcome", align: "end", cell: (row) => <Badge state={row.outcome === "ok" ? "completed" : "failed"}>{row.outcome === "ok" ? "done" : row.outcome}</Badge> },
      ]}
    />
  );
}

function Details({ row }: { row: AuditEntry }): JSX.Element | null {
  if (!row.details || Object.keys(row.details).length === 0) return null;
  const text = JSON.stringify(row.details);
  return <code class="dim" title={text}>{text}</code>;
}
