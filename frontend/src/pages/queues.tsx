// Queues: what is in them, their switches and limits, the limits of job keys, and how many processes there are.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { KeyLimit, QueueList, QueueRow } from "../api.ts";
import { act, confirm } from "../core/act.ts";
import { post, send } from "../core/client.ts";
import { atLeast, number } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Badge, Button, Empty, Section } from "../ui/basics.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/form.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { Table } from "../ui/table.tsx";
import { ScaleButton } from "./scale.tsx";

interface Limits {
  concurrency: number | null;
  rate: string | null;
}
/** What is being limited: a queue, a key, or a key that is not named yet. */
type Subject = Limits & { kind: "queue" | "key"; name: string | null };

export function QueuesPage(): JSX.Element {
  const load = useLoad<QueueList>("api/queues");
  const [subject, setSubject] = useState<Subject | undefined>(undefined);
  return (
    <Page title="Queues" commands={load.data?.commands} actions={<ScaleButton />}>
      <Loaded load={load}>
        {(data) => (
          <>
            {data.queues.length === 0 ? (
              <Empty title="No queue yet"><p>A queue is there when a job is in it, or when it is limited.</p></Empty>
            ) : (
              <Queues rows={data.queues} onLimit={(row) => setSubject({ ...row, kind: "queue", name: row.queue })} />
            )}
            <Section
              title="Limits of job keys"
              aside={<Button small action icon="plus" onClick={() => setSubject({ kind: "key", name: null, concurrency: null, rate: null })}>Limit a key</Button>}
            >
              {data.key_limits.length === 0 ? (
                <p class="dim">No job key is limited. A key's limit holds in whatever queue its jobs are.</p>
              ) : (
                <KeyLimits rows={data.key_limits} onLimit={(row) => setSubject({ ...row, kind: "key", name: row.key })} />
              )}
            </Section>
          </>
        )}
      </Loaded>
      {subject && <LimitDialog subject={subject} onClose={() => setSubject(undefined)} />}
    </Page>
  );
}

function Queues({ rows, onLimit }: { rows: QueueRow[]; onLimit: (row: QueueRow) => void }): JSX.Element {
  const toggle = (row: QueueRow): Promise<unknown> => {
    const verb = row.paused ? "resume" : "pause";
    return act(() => post(`api/queues/${encodeURIComponent(row.queue)}/${verb}`), `${row.queue} is ${verb}d`);
  };
  return (
    <Table
      caption="Queues"
      rows={rows}
      rowKey={(row) => row.queue}
      href={(row) => `jobs?queue=${encodeURIComponent(row.queue)}`}
      columns={[
        { title: "Queue", grow: true, cell: (row) => row.queue },
        { title: "State", cell: (row) => <Badge state={row.paused ? "held" : row.running ? "running" : "ready"}>{row.paused ? "paused" : "open"}</Badge> },
        { title: "Ready", align: "end", cell: (row) => <Tally row={row} count={row.ready} /> },
        { title: "Scheduled", align: "end", cell: (row) => <Tally row={row} count={row.scheduled} /> },
        { title: "Held", align: "end", cell: (row) => <Tally row={row} count={row.held} /> },
        { title: "Running", align: "end", cell: (row) => <Used running={row.running} most={row.concurrency} /> },
        { title: "Limit", cell: (row) => <LimitText {...row} /> },
        {
          title: "Actions", quiet: true, align: "end",
          cell: (row) => (
            <span class="row-actions">
              <Button small action kind="quiet" icon="edit" onClick={() => onLimit(row)}>Limit</Button>
              <Button small action icon={row.paused ? "run" : "pause"} onClick={() => toggle(row)}>{row.paused ? "Resume" : "Pause"}</Button>
            </span>
          ),
        },
      ]}
    />
  );
}

function KeyLimits({ rows, onLimit }: { rows: KeyLimit[]; onLimit: (row: KeyLimit) => void }): JSX.Element {
  const lift = async (row: KeyLimit): Promise<void> => {
    const sure = await confirm({
      title: `Lift the limit of ${row.key}?`,
      text: "What was set by hand is forgotten; where the program declares a limit, that counts again.",
      action: "Lift",
    });
    if (sure) await act(() => send("DELETE", `api/keys/${encodeURIComponent(row.key)}/limits`), `The limit of ${row.key} is lifted`);
  };
  return (
    <Table
      caption="Limits of job keys"
      rows={rows}
      rowKey={(row) => row.key}
      href={(row) => `jobs?key=${encodeURIComponent(row.key)}`}
      columns={[
        { title: "Job key", grow: true, cell: (row) => row.key },
        { title: "Set by", cell: (row) => <span class="dim nowrap">{row.declared ? "the program" : "hand"}</span> },
        { title: "Running", align: "end", cell: (row) => <Used running={row.running} most={row.concurrency} /> },
        { title: "Limit", cell: (row) => <LimitText {...row} /> },
        {
          title: "Actions", quiet: true, align: "end",
          cell: (row) => (
            <span class="row-actions">
              {!row.declared && <Button small action kind="quiet" onClick={() => lift(row)}>Lift</Button>}
              <Button small action kind="quiet" icon="edit" onClick={() => onLimit(row)}>Limit</Button>
            </span>
          ),
        },
      ]}
    />
  );
}

/** Where there is little room, what is none is left out. */
function Tally({ row, count }: { row: QueueRow; count: number }): JSX.Element {
  return <span class={count ? undefined : "zero"}>{atLeast(count, row.is_least && count > 0)}</span>;
}

function Used({ running, most }: { running: number; most: number | null }): JSX.Element {
  if (most === null) return <>{number(running)}</>;
  return <span class={running >= most ? "is-full" : undefined}>{number(running)} <span class="dim">of {number(most)}</span></span>;
}

function LimitText({ concurrency, rate }: Limits): JSX.Element {
  const words = [concurrency !== null && `${number(concurrency)} at once`, rate].filter(Boolean);
  return words.length ? <span class="nowrap">{words.join(", ")}</span> : <span class="zero">none</span>;
}

function LimitDialog({ subject, onClose }: { subject: Subject; onClose: () => void }): JSX.Element {
  const [name, setName] = useState(subject.name ?? "");
  const [most, setMost] = useState(subject.concurrency === null ? "" : String(subject.concurrency));
  const [rate, setRate] = useState(subject.rate ?? "");
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const place = subject.kind === "queue" ? "queues" : "keys";
    const body = { concurrency: most.trim() === "" ? null : Number(most), rate: rate.trim() || null };
    const done = await act(
      () => send("PUT", `api/${place}/${encodeURIComponent(name)}/limits`, body),
      body.concurrency === null && body.rate === null ? `${name} has no limit` : `${name} is limited`,
    );
    if (done) onClose();
  };
  return (
    <Dialog
      title={subject.name === null ? "Limit a job key" : `Limit ${subject.name}`}
      onClose={onClose}
      actions={<><Button onClick={onClose}>Cancel</Button><Button kind="primary" action onClick={save}>Save</Button></>}
    >
      <form class="form" onSubmit={(event) => void save(event)}>
        {subject.name === null && (
          <Field label="Job key"><input class="mono" required value={name} onInput={(event) => setName(event.currentTarget.value)} /></Field>
        )}
        <Field label="At once" optional hint="How many of its jobs may run at the same time, over all services. Empty: no limit.">
          <input type="number" min={1} inputMode="numeric" value={most} onInput={(event) => setMost(event.currentTarget.value)} />
        </Field>
        <Field label="Rate" optional hint="How many may start in any span: 50/s, 600/m, 5/10s. Empty: no limit.">
          <input class="mono" value={rate} placeholder="50/s" onInput={(event) => setRate(event.currentTarget.value)} />
        </Field>
        <button type="submit" class="unseen" tabIndex={-1} aria-hidden="true" />
      </form>
    </Dialog>
  );
}
