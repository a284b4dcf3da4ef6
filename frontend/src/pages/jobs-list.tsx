// The rows of jobs: only those in view are in the document, however many there are.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { JobRow } from "../api.ts";
import { mayAct } from "../core/client.ts";
import { Ago, Badge, Tag } from "../ui/basics.tsx";

/** What is selected: these, or all that match the filter, whether or not they were fetched. */
export interface Ticked {
  ids: ReadonlySet<number>;
  all: boolean;
}

interface JobListProps {
  rows: readonly JobRow[];
  total: number;
  total_is_least: boolean;
  more: boolean;
  onReach: () => void;
  onSeen: (first: number, last: number) => void;
  ticked: Ticked;
  onTick: (ticked: Ticked) => void;
}

const BEYOND = 12;
const narrow = matchMedia("(max-width: 800px)");

export function JobList(props: JobListProps): JSX.Element {
  const { rows, more, onReach, onSeen, ticked, onTick } = props;
  const body = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<readonly [number, number]>([0, 40]);
  const height = narrow.matches ? 68 : 40;
  const look = (): void => {
    const top = -(body.current?.getBoundingClientRect().top ?? 0);
    const first = Math.max(0, Math.floor(top / height));
    const last = Math.max(first, Math.ceil((top + window.innerHeight) / height));
    onSeen(first, last);
    const wanted = [Math.max(0, first - BEYOND), last + BEYOND] as const;
    setRange((now) => (now[0] === wanted[0] && now[1] === wanted[1] ? now : wanted));
    if (more && last + 40 > rows.length) onReach();
  };
  useEffect(() => {
    look();
    window.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      window.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  });
  useStill(body, rows, height);

  const [first, last] = [Math.min(range[0], Math.max(0, rows.length - 1)), Math.min(range[1], rows.length)];
  const whole = ticked.all || (rows.length > 0 && ticked.ids.size >= rows.length && rows.every((row) => ticked.ids.has(row.id)));
  const tick = (id: number): void => {
    const ids = new Set(ticked.all ? rows.map((row) => row.id) : ticked.ids);
    if (!ids.delete(id)) ids.add(id);
    onTick({ ids, all: false });
  };
  return (
    <>
    <div class="job-list" role="table" aria-label="Jobs" aria-rowcount={props.total_is_least ? -1 : props.total + 1}>
      <div role="rowgroup" class="job-head">
        <div role="row" aria-rowindex={1}>
          <span role="columnheader">
            <input
              type="checkbox"
              aria-label="Select all shown"
              disabled={!mayAct()}
              checked={whole}
              onChange={() => onTick({ ids: new Set(whole ? [] : rows.map((row) => row.id)), all: false })}
            />
          </span>
          <span role="columnheader">State</span>
          <span role="columnheader">Job</span>
          <span role="columnheader">Queue</span>
          <span role="columnheader" class="end">Attempts</span>
          <span role="columnheader" class="end">Changed</span>
        </div>
      </div>
      <div role="rowgroup" ref={body} class="job-rows" style={{ "--id": `${String(Math.max(rows[0]?.id ?? 0, rows.at(-1)?.id ?? 0)).length}ch`, paddingTop: `${first * height}px`, paddingBottom: `${(rows.length - last) * height}px` }}>
        {rows.slice(first, last).map((row, index) => (
          <Row key={row.id} row={row} index={first + index} ticked={ticked.all || ticked.ids.has(row.id)} onTick={tick} />
        ))}
      </div>
    </div>
    {more && <p class="job-more dim" role="status">Fetching more…</p>}
    </>
  );
}

interface RowProps {
  row: JobRow;
  index: number;
  ticked: boolean;
  onTick: (id: number) => void;
}

function Row({ row, index, ticked, onTick }: RowProps): JSX.Element {
  return (
    <div role="row" class={`job-row leads${ticked ? " is-ticked" : ""}`} data-row={row.id} aria-rowindex={index + 2}>
      <span role="cell" class="job-tick">
        <input type="checkbox" aria-label={`Select job ${row.id}`} disabled={!mayAct()} checked={ticked} onChange={() => onTick(row.id)} />
      </span>
      <span role="cell" class="job-state"><Badge state={row.state} /></span>
      <span role="cell" class="job-what">
        <a data-open href={`jobs/${row.id}`}>
          <span class="job-id">{row.id}</span> {row.key}
        </a>
        {row.tags.slice(0, 3).map((tag) => <Tag key={tag}>{tag}</Tag>)}
        <span class="job-note cut">{noteOf(row)}</span>
      </span>
      <span role="cell" class="job-queue cut">{row.queue}</span>
      <span role="cell" class="job-attempts end">{row.attempts > 0 ? `${row.attempts} of ${row.max_attempts}` : ""}</span>
      <span role="cell" class="job-when end"><Ago at={row.state === "scheduled" || row.state === "retrying" ? (row.run_at ?? row.updated_at) : row.updated_at} /></span>
    </div>
  );
}

/** What is worth saying beside its name: why it is held, what went wrong, how far it is. */
function noteOf(row: JobRow): string {
  if (row.status === "RUNNING" && row.progress) {
    const { done, total, message } = row.progress;
    return [total ? `${Math.round((100 * done) / total)} %` : "", message ?? ""].filter(Boolean).join(" ");
  }
  if (row.cancel_requested) return "asked to stop";
  if (row.status === "COMPLETED") return "";
  return row.hold ?? row.error ?? (row.reason === row.state ? "" : (row.reason ?? ""));
}

/** Jobs that come in above what one reads must not push it away: the page scrolls along by as much. */
function useStill(body: { current: HTMLDivElement | null }, rows: readonly JobRow[], height: number): void {
  const before = useRef<readonly JobRow[]>(rows);
  useLayoutEffect(() => {
    const old = before.current;
    before.current = rows;
    if (old === rows || !body.current) return;
    const top = -body.current.getBoundingClientRect().top;
    if (top < height) return;
    const anchor = old[Math.floor(top / height)];
    if (!anchor) return;
    const now = rows.findIndex((row) => row.id === anchor.id);
    const moved = now - Math.floor(top / height);
    if (now >= 0 && moved !== 0) window.scrollBy({ top: moved * height, behavior: "instant" });
  }, [rows]);
}
