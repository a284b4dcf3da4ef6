// All jobs: found by what they are, and dealt with one by one or all that match.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { BulkFilter, JobQuery, JobStatus } from "../api.ts";
import { mayAct } from "../core/client.ts";
import { atLeast } from "../core/format.ts";
import { usePages } from "../core/pages.ts";
import { goQuery, place } from "../core/router.ts";
import { Button, Empty, LinkButton } from "../ui/basics.tsx";
import { Icon } from "../ui/icon.tsx";
import { Loaded, Page, useKeys } from "../ui/page.tsx";
import { Suggest } from "../ui/suggest.tsx";
import { BulkDialog, type BulkAsked } from "./jobs-bulk.tsx";
import { JobList, type Ticked } from "./jobs-list.tsx";

type Filter = Pick<JobQuery, "status" | "key" | "queue" | "tag" | "unique" | "q" | "like" | "held" | "order">;

const VIEWS: [string, Record<string, string | null>][] = [
  ["All", { status: null, held: null }],
  ["Running", { status: "RUNNING", held: null }],
  ["Pending", { status: "PENDING", held: null }],
  ["Held", { status: "PENDING", held: "true" }],
  ["Failed", { status: "FAILED", held: null }],
  ["Completed", { status: "COMPLETED", held: null }],
  ["Cancelled", { status: "CANCELLED", held: null }],
];

const ORDERS: [NonNullable<JobQuery["order"]>, string][] = [
  ["-id", "Newest first"],
  ["id", "Oldest first"],
  ["-updated_at", "Last changed first"],
  ["-finished_at", "Last ended first"],
  ["-priority", "Most urgent first"],
];

function filterOf(words: URLSearchParams): Filter {
  const filter: Filter = {};
  for (const name of ["status", "key", "queue", "tag", "unique", "q", "like"] as const) {
    const word = words.get(name);
    if (word) filter[name] = word;
  }
  const held = words.get("held");
  if (held === "true" || held === "false") filter.held = held === "true";
  const order = ORDERS.find(([name]) => name === words.get("order"));
  if (order) filter.order = order[0];
  return filter;
}

/** The same for an action: every job there is has to be asked for aloud. */
function bulkOf({ status, order: _order, ...filter }: Filter): BulkFilter {
  const asked: BulkFilter = { ...filter, ...(status && { status: status.split(",") as JobStatus[] }) };
  return Object.keys(asked).length ? asked : { all: true };
}

export function JobsPage(): JSX.Element {
  const words = place.value.query;
  const filter = useMemo(() => filterOf(words), [words]);
  const seen = useRef<readonly [number, number]>([0, 0]);
  const pages = usePages({ ...filter }, () => seen.current);
  const [ticked, setTicked] = useState<Ticked>({ ids: new Set(), all: false });
  const [asked, setAsked] = useState<BulkAsked | undefined>();
  const identity = JSON.stringify(filter);
  useEffect(() => setTicked({ ids: new Set(), all: false }), [identity]);
  useEffect(() => {
    if (words.get("find")) {
      document.querySelector<HTMLInputElement>("main input[type=search]")?.focus();
      goQuery({ find: null }, { replace: true });
    }
  }, [words]);

  const count = ticked.all ? atLeast(pages.head?.total ?? 0, pages.head?.total_is_least ?? false) : String(ticked.ids.size);
  const some = ticked.all || ticked.ids.size > 0;
  const bulk = (action: BulkAsked["action"]): void => {
    if (some) setAsked({ action, filter: ticked.all ? bulkOf(filter) : { ids: [...ticked.ids] } });
  };
  const none = (): void => setTicked({ ids: new Set(), all: false });
  useKeys(
    [
      { keys: "a", does: "Select all that match", group: "This page", run: () => mayAct() && setTicked({ ids: new Set(), all: true }) },
      { keys: "Escape", does: "Select none", group: "This page", run: none },
      { keys: "r", does: "Retry the selected", group: "This page", run: () => bulk("retry") },
      { keys: "c", does: "Cancel the selected", group: "This page", run: () => bulk("cancel") },
      { keys: "#", does: "Delete the selected", group: "This page", run: () => bulk("delete") },
    ],
    [identity, ticked],
  );
  const filtered = Object.keys(filter).some((name) => name !== "order");
  const head = pages.head;
  return (
    <Page
      title="Jobs"
      heading={<>Jobs {head && <span class="job-number" role="status">{atLeast(head.total, head.total_is_least)}</span>}</>}
      class="jobs-page"
      commands={head && [head.command]}
      actions={<LinkButton href="run" icon="plus">Run a job</LinkButton>}
    >
      <Filters filter={filter} />
      <Loaded
        load={{ data: head, error: pages.error, stale: false, reload: pages.reload }}
        lines={12}
        isEmpty={() => pages.rows.length === 0 && !pages.more}
        empty={filtered ? <NoMatch /> : <NoJobs />}
      >
        {(page) => (
          <JobList
            rows={pages.rows}
            total={page.total}
            total_is_least={page.total_is_least}
            more={pages.more}
            onReach={pages.reach}
            onSeen={(first, last) => (seen.current = [first, last])}
            ticked={ticked}
            onTick={setTicked}
          />
        )}
      </Loaded>
      {some && (
        <div class="bulk-bar" role="region" aria-label="The selected jobs">
          <span class="bulk-count"><b>{count}</b> selected</span>
          {!ticked.all && <Button small kind="quiet" onClick={() => setTicked({ ids: new Set(), all: true })}>Select all that match</Button>}
          <span class="actions">
            <Button small action icon="retry" onClick={() => bulk("retry")}>Retry</Button>
            <Button small action icon="cancel" onClick={() => bulk("cancel")}>Cancel</Button>
            <Button small action kind="danger" icon="trash" onClick={() => bulk("delete")}>Delete</Button>
            <Button small kind="quiet" icon="close" label="Select none" onClick={none} />
          </span>
        </div>
      )}
      {asked && <BulkDialog asked={asked} onClose={() => setAsked(undefined)} onDone={none} />}
    </Page>
  );
}

function Filters({ filter }: { filter: Filter }): JSX.Element {
  const status = filter.status ?? null;
  const held = filter.held === undefined ? null : String(filter.held);
  return (
    <div class="job-filters">
      <div class="views" role="group" aria-label="Status">
        {VIEWS.map(([name, query]) => (
          <button key={name} type="button" aria-pressed={query["status"] === status && (query["held"] === held || (name === "Pending" && held === "false"))} onClick={() => goQuery(name === "Failed" ? query : { ...query, like: null })}>
            {name}
          </button>
        ))}
      </div>
      <div class="filter-fields">
        <Search value={filter.q ?? ""} />
        {(["key", "queue", "tag"] as const).map((field) => (
          <Suggest key={field} field={field} label={{ key: "Job", queue: "Queue", tag: "Tag" }[field]} value={filter[field] ?? ""} onChange={(value) => goQuery({ [field]: value })} />
        ))}
        {filter.unique && <Button small icon="close" onClick={() => goQuery({ unique: null })}>unique key {filter.unique}</Button>}
        {filter.like && <Button small icon="close" label={`No longer only errors like: ${filter.like}`} onClick={() => goQuery({ like: null })}><span class="cut">{filter.like}</span></Button>}
        <select aria-label="Order" value={filter.order ?? "-id"} onChange={(event) => goQuery({ order: event.currentTarget.value === "-id" ? null : event.currentTarget.value })}>
          {ORDERS.map(([name, text]) => <option key={name} value={name}>{text}</option>)}
        </select>
      </div>
    </div>
  );
}

/** Searches while one types, without a step of history for every letter. */
function Search({ value }: { value: string }): JSX.Element {
  const [typed, setTyped] = useState(value);
  const later = useRef<number | undefined>(undefined);
  useEffect(() => setTyped(value), [value]);
  const search = (text: string, wait_ms: number): void => {
    window.clearTimeout(later.current);
    later.current = window.setTimeout(() => goQuery({ q: text.trim() || null }, { replace: true }), wait_ms);
  };
  useEffect(() => () => window.clearTimeout(later.current), []);
  return (
    <label class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label="Search jobs"
        placeholder="Search id, job, tag, error"
        value={typed}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          search(event.currentTarget.value, 250);
        }}
        onKeyDown={(event) => event.key === "Enter" && search(typed, 0)}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

function NoMatch(): JSX.Element {
  const clear = (): void => goQuery({ status: null, held: null, key: null, queue: null, tag: null, unique: null, q: null, like: null });
  return <Empty title="No job matches"><Button icon="filter" onClick={clear}>Show all jobs</Button></Empty>;
}

function NoJobs(): JSX.Element {
  return (
    <Empty title="There is no job yet">
      <p>Every job that is enqueued appears here at once.</p>
      <p><LinkButton href="run" icon="run">Run one</LinkButton></p>
    </Empty>
  );
}

