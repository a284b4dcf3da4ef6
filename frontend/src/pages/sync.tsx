// Synced tables: how each stands, and in each what is pending, in conflict, rejected and quarantined.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { SyncDetail, SyncList, SyncResource, SyncStarted } from "../api.ts";
import { act } from "../core/act.ts";
import { post } from "../core/client.ts";
import { number, plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { goQuery, place } from "../core/router.ts";
import { Ago, Badge, Button, Callout, Empty, Fact, Facts } from "../ui/basics.tsx";
import type { Mark } from "../ui/icon.tsx";
import { TabPanel, Tabs } from "../ui/form.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Spark } from "../ui/spark.tsx";
import { Table } from "../ui/table.tsx";
import { Conflicts } from "./sync-conflicts.tsx";
import { DeadLetters } from "./sync-dead.tsx";

const MARKS: Record<string, Mark> = {
  idle: "completed", pushing: "running", pulling: "running", paused: "held", offline: "waiting",
  throttled: "retrying", unauthorized: "warning", failing: "failed", blocked: "waiting",
  broken: "failed",
};
const TABS = ["pending", "conflicts", "dead", "quarantine"] as const;
type Tab = (typeof TABS)[number];
/** Which commands of the terminal go with which tab. */
const OF_TAB: Record<Tab, RegExp> = {
  pending: /sync (status|pending|now|pause|resume) /,
  conflicts: /sync (conflicts|resolve) /,
  dead: /sync (dead|retry|edit|discard|revert) /,
  quarantine: /sync (quarantine|now) /,
};

export function SyncPage({ resource }: { resource?: string }): JSX.Element {
  return resource === undefined ? <All /> : <One key={resource} name={resource} />;
}

function All(): JSX.Element {
  const load = useLoad<SyncList>("api/sync");
  return (
    <Page title="Sync" commands={load.data?.commands}>
      <Loaded
        load={load}
        isEmpty={(data) => data.resources.length === 0 && data.undeclared.length === 0}
        empty={<Empty title="Nothing is synced"><p>A table that <code>app.sync.resource("tasks", remote=…)</code> declares is kept in step with its remote.</p></Empty>}
      >
        {(data) => (
          <>
            {data.undeclared.length > 0 && (
              <Callout kind="note" title={`Not declared by the program that serves this page: ${data.undeclared.join(", ")}`}>
                <p>Open the dashboard with the program that syncs them: <code>windlass ui module:app</code>.</p>
              </Callout>
            )}
            {data.resources.length > 0 && <Resources rows={data.resources} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

const at = (name: string, tab?: Tab): string => `sync/${encodeURIComponent(name)}${tab ? `?tab=${tab}` : ""}`;

function Resources({ rows }: { rows: SyncResource[] }): JSX.Element {
  return (
    <Table
      caption="Synced tables"
      rows={rows}
      rowKey={(row) => row.resource}
      href={(row) => at(row.resource)}
      columns={[
        { title: "Resource", cell: (row) => row.resource },
        { title: "State", grow: true, cell: (row) => <State row={row} /> },
        { title: "Pending", align: "end", cell: (row) => <span class={row.pending ? undefined : "zero"}>{number(row.pending)}</span> },
        { title: "Lag", align: "end", cell: (row) => (row.oldest_pending ? <Ago at={row.oldest_pending} bare /> : <span class="zero">–</span>) },
        { title: "Conflicts", align: "end", cell: (row) => <Count row={row} count={row.conflicts} tab="conflicts" /> },
        { title: "Rejected", align: "end", cell: (row) => <Count row={row} count={row.failed} tab="dead" /> },
        { title: "Pulled", align: "end", cell: (row) => <Ago at={row.last_pull} /> },
        { title: "Last runs", hide: "phone", cell: (row) => <SyncRuns row={row} /> },
        { title: "Actions", quiet: true, align: "end", cell: (row) => <span class="row-actions"><SyncActions row={row} small /></span> },
      ]}
    />
  );
}

function State({ row }: { row: SyncResource }): JSX.Element {
  return (
    <>
      <Badge state={MARKS[row.state] ?? "warning"}>{row.state}</Badge>
      {row.reason && <span class="dim"> {row.reason}</span>}
    </>
  );
}

function Count({ row, count, tab }: { row: SyncResource; count: number; tab: Tab }): JSX.Element {
  return count ? <a class="asks" href={at(row.resource, tab)}>{number(count)}</a> : <span class="zero">0</span>;
}

function SyncRuns({ row }: { row: SyncResource }): JSX.Element {
  const { runs } = row;
  if (runs.length === 0) return <span class="dim nowrap">none kept</span>;
  const failed = runs.filter((run) => run.status === "FAILED").length;
  return (
    <Spark
      values={runs.map((run) => run.run_s ?? 0)}
      kinds={runs.map((run) => (run.status === "FAILED" ? "bad" : run.status === "COMPLETED" ? "good" : "idle"))}
      label={`${plural(runs.length, "push or pull", "pushes and pulls")}, ${failed} failed`}
      width={Math.min(96, runs.length * 8)}
    />
  );
}

function SyncActions({ row, small = false }: { row: SyncResource; small?: boolean }): JSX.Element | null {
  if (row.state === "broken") return null;
  const url = `api/sync/${encodeURIComponent(row.resource)}`;
  const verb = row.paused ? "resume" : "pause";
  const now = (): Promise<unknown> =>
    act(
      () => post<SyncStarted>(`${url}/now`),
      (made) => `${row.resource}: ${plural(made.job_ids.length, "job")} asked for`,
    );
  return (
    <>
      <Button small={small} action kind="quiet" icon={row.paused ? "run" : "pause"} onClick={() => act(() => post(`${url}/${verb}`), `${row.resource} is ${verb}d`)}>
        {row.paused ? "Resume" : "Pause"}
      </Button>
      <Button small={small} action icon="sync" onClick={now}>Sync now</Button>
    </>
  );
}

function One({ name }: { name: string }): JSX.Element {
  const { query, ...paging } = useMore();
  const load = useLoad<SyncDetail>(`api/sync/${encodeURIComponent(name)}`, query);
  const row = load.data?.resource;
  return (
    <Page title={name} up={{ href: "sync", text: "Sync" }} commands={load.data?.commands.filter((told) => OF_TAB[tabOf(load.data!.resource)].test(told.command))} actions={row && <SyncActions row={row} />}>
      <Loaded load={load}>{(data) => <Detail data={data} paging={paging} />}</Loaded>
    </Page>
  );
}

/** The tab that was asked for, or what most needs a person. */
function tabOf(row: SyncResource): Tab {
  const asked = place.value.query.get("tab") as Tab;
  return TABS.includes(asked) ? asked : row.conflicts ? "conflicts" : row.failed ? "dead" : "pending";
}

function Detail({ data, paging }: { data: SyncDetail; paging: Paging }): JSX.Element {
  const row = data.resource;
  const tab = tabOf(row);
  const words: Record<Tab, [string, number]> = {
    pending: ["Pending", row.pending], conflicts: ["Conflicts", row.conflicts],
    dead: ["Rejected", row.failed], quarantine: ["Quarantine", row.quarantined],
  };
  return (
    <>
      <Warnings data={data} />
      <div class="two-columns sync-facts">
        <Facts>
          <Fact name="State"><State row={row} /></Fact>
          <Fact name="Asked again">{row.until && <Ago at={row.until} />}</Fact>
          <Fact name="Lag">{row.oldest_pending ? <Ago at={row.oldest_pending} bare /> : "none: nothing waits to be sent"}</Fact>
          <Fact name="Last runs"><SyncRuns row={row} /></Fact>
        </Facts>
        <Facts>
          <Fact name="Rows">{number(row.rows)} known at the remote</Fact>
          <Fact name="Pulled"><Ago at={row.last_pull} /></Fact>
          <Fact name="Pushed"><Ago at={row.last_push} /></Fact>
          <Fact name="On conflict">{row.policy}</Fact>
        </Facts>
      </div>
      <Tabs
        label="What waits"
        value={tab}
        options={TABS.map((value) => ({ value, text: <>{words[value][0]} <span class="tab-count">{number(words[value][1])}</span></> }))}
        onChange={(value) => goQuery({ tab: value }, { replace: true })}
      />
      <TabPanel label={words[tab][0]}>
        {tab === "pending" && <Pending data={data} paging={paging} />}
        {tab === "conflicts" && <Conflicts resource={row.resource} />}
        {tab === "dead" && <DeadLetters resource={row.resource} />}
        {tab === "quarantine" && <Quarantine data={data} paging={paging} />}
      </TabPanel>
    </>
  );
}

function Warnings({ data }: { data: SyncDetail }): JSX.Element {
  const row = data.resource;
  return (
    <>
      {row.state === "broken" && <Callout kind="danger" title="This table cannot be synced"><p>{row.reason}</p></Callout>}
      {row.sweep_refused && (
        <Callout kind="warning" title="Many rows are absent, and nothing was deleted on the other side">
          <p>{row.sweep_refused}</p>
        </Callout>
      )}
      {row.last_error && row.state !== "broken" && !(row.reason && row.last_error.includes(row.reason)) && <Callout kind="warning" title="The last error"><p>{row.last_error}</p></Callout>}
      {data.faults.map((fault) => <Callout key={fault} kind="warning" title="Edits may not be captured"><p>{fault}</p></Callout>)}
    </>
  );
}

function Pending({ data, paging }: { data: SyncDetail; paging: Paging }): JSX.Element {
  if (data.pending.length === 0) return <Empty title="Nothing is pending"><p>The remote has every change that was made here.</p></Empty>;
  return (
    <>
      <Table
        caption="Pending changes"
        rows={data.pending}
        rowKey={(one) => `${one.key} ${one.op} ${one.made_at}`}
        columns={[
          { title: "Key", cell: (one) => <span class="mono">{one.key}</span> },
          { title: "Change", cell: (one) => one.op },
          { title: "Made", cell: (one) => <Ago at={one.made_at} /> },
          { title: "Sent", align: "end", cell: (one) => <span class={one.attempts ? undefined : "zero"}>{one.attempts}×</span> },
          { title: "Why it waits", grow: true, cell: (one) => <span title={one.columns.join(", ")}>{one.why}</span> },
        ]}
      />
      <Rest {...paging} shown={data.pending.length} total={data.resource.pending} />
    </>
  );
}

function Quarantine({ data, paging }: { data: SyncDetail; paging: Paging }): JSX.Element {
  if (data.quarantined.length === 0) return <Empty title="Nothing is in quarantine"><p>Every row that the remote has sent is in the table.</p></Empty>;
  return (
    <>
      <ul class="letters">
        {data.quarantined.map((row) => (
          <li key={row.remote_id} class="panel is-padded letter">
            <header><h2 class="mono">{row.remote_id}</h2><span class="dim">seen <Ago at={row.seen_at} /></span></header>
            <p class="said">{row.reason}</p>
            <code class="document">{row.document}</code>
          </li>
        ))}
      </ul>
      <Rest {...paging} shown={data.quarantined.length} total={data.resource.quarantined} />
    </>
  );
}

export interface Paging {
  more: (() => void) | undefined;
}

const AT_FIRST = 50;
const AT_MOST = 1000;

/** The oldest of what waits, and on request more of it. */
export function useMore(): Paging & { query: { limit: number | null } } {
  const [limit, setLimit] = useState(AT_FIRST);
  const more = limit < AT_MOST ? (): void => setLimit(Math.min(limit + 100, AT_MOST)) : undefined;
  return { query: { limit: limit === AT_FIRST ? null : limit }, more };
}

export function Rest({ shown, total, more }: Paging & { shown: number; total: number }): JSX.Element | null {
  if (total <= shown) return null;
  return (
    <p class="rest">
      {more && <Button small onClick={more}>Show more</Button>}
      <span class="dim">The oldest {number(shown)} of {number(total)}.{more ? "" : " The others follow when these are settled."}</span>
    </p>
  );
}
