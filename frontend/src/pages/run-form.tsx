// The form of one job: its payload's fields, or the same as JSON, and how it is enqueued.
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { Enqueued, HandlerRow, JobOptions, NewJob } from "../api.ts";
import { say } from "../core/act.ts";
import { ApiError, post } from "../core/client.ts";
import { lookAgain } from "../core/live.ts";
import { go } from "../core/router.ts";
import { draftOf, planOf, textOf, type Draft, type Schema, type Wrong } from "../core/schema.ts";
import { Button, Callout, Fact, Facts } from "../ui/basics.tsx";
import { Field, Segments } from "../ui/form.tsx";
import { PayloadFields } from "./run-fields.tsx";

interface RunFormProps {
  job_key: string;
  handler: HandlerRow | undefined;
}

type Typed = Record<"queue" | "priority" | "delay" | "max_attempts" | "unique" | "tags", string>;
const NONE: Typed = { queue: "", priority: "", delay: "", max_attempts: "", unique: "", tags: "" };

function optionsOf(typed: Typed): JobOptions {
  const options: JobOptions = {};
  if (typed.queue.trim()) options.queue = typed.queue.trim();
  if (typed.priority.trim()) options.priority = Number(typed.priority);
  if (typed.delay.trim()) options.delay = typed.delay.trim();
  if (typed.max_attempts.trim()) options.max_attempts = Number(typed.max_attempts);
  if (typed.unique.trim()) options.unique = typed.unique.trim();
  const tags = typed.tags.split(/[\s,]+/).filter(Boolean);
  if (tags.length) options.tags = tags;
  return options;
}

export function RunForm({ job_key, handler }: RunFormProps): JSX.Element {
  const plan = useMemo(() => (handler ? planOf(handler.schema as Schema) : undefined), [handler]);
  const [draft, setDraft] = useState<Draft>(() => draftOf(plan ?? []));
  const [json, setJson] = useState<string | undefined>(plan ? undefined : "{}");
  const [typed, setTyped] = useState<Typed>(NONE);
  const [wrong, setWrong] = useState<Wrong>({});
  const [error, setError] = useState<ApiError | undefined>();
  const form = useRef<HTMLFormElement>(null);

  const run = async (): Promise<void> => {
    const found: Wrong = {};
    const text = json ?? textOf(plan ?? [], draft, found);
    setWrong(found);
    setError(undefined);
    if (Object.keys(found).length) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    try {
      const body: NewJob = { key: job_key, payload_text: text.trim() || "null", options: optionsOf(typed) };
      const made = await post<Enqueued>("api/jobs", body);
      say("done", made.created ? `Job ${made.id} is enqueued` : `Job ${made.id} was there already: ${made.disposition}`);
      lookAgain();
      go(`jobs/${made.id}`);
    } catch (problem) {
      setError(problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem)));
    }
  };
  const view = (chosen: "form" | "json"): void => {
    if (chosen === "json") return setJson(textOf(plan ?? [], draft, {}));
    try {
      setDraft(draftOf(plan ?? [], JSON.parse(json ?? "{}") as Record<string, unknown>));
      setJson(undefined);
      setError(undefined);
    } catch (problem) {
      setError(new ApiError(0, "broken", `Not JSON: ${(problem as Error).message}`));
    }
  };
  return (
    <div class="columns job-columns">
      <form class="form run-form" ref={form} noValidate onSubmit={(event) => { event.preventDefault(); void run(); }}>
        <div class="run-head">
          <h2>Payload</h2>
          {plan && plan.length > 0 && (
            <Segments<"form" | "json"> label="Payload as" value={json === undefined ? "form" : "json"} onChange={view} options={[{ value: "form", text: "Form" }, { value: "json", text: "JSON" }]} />
          )}
        </div>
        {json !== undefined ? (
          <Field label="Payload as JSON"><textarea class="mono" rows={12} spellcheck={false} value={json} onInput={(event) => setJson(event.currentTarget.value)} /></Field>
        ) : plan?.length ? (
          <PayloadFields plan={plan} draft={draft} wrong={wrong} onChange={setDraft} />
        ) : (
          <p class="dim">It takes nothing.</p>
        )}
        <Options typed={typed} onChange={setTyped} handler={handler} />
        {error && <Callout kind="danger" title={error.message}>{error.wayOut && <p>{error.wayOut}</p>}</Callout>}
        <div class="actions">
          <Button kind="primary" action icon="run" type="submit">Run {handler?.title ?? job_key}</Button>
        </div>
      </form>
      {handler && <About handler={handler} />}
    </div>
  );
}

function Options({ typed, onChange, handler }: { typed: Typed; onChange: (typed: Typed) => void; handler: HandlerRow | undefined }): JSX.Element {
  const field = (name: keyof Typed, label: string, placeholder: string, hint?: string): JSX.Element => (
    <Field label={label} hint={hint}>
      <input
        placeholder={placeholder}
        inputMode={name === "priority" || name === "max_attempts" ? "numeric" : undefined}
        value={typed[name]}
        onInput={(event) => onChange({ ...typed, [name]: event.currentTarget.value })}
      />
    </Field>
  );
  return (
    <details class="run-options">
      <summary>How it is enqueued</summary>
      <div class="field-row">
        {field("queue", "Queue", handler?.queue ?? "default")}
        {field("priority", "Priority", String(handler?.priority ?? 0))}
        {field("delay", "Delay", "at once", "Such as 10m.")}
        {field("max_attempts", "Attempts", String(handler?.max_attempts ?? ""))}
        {field("unique", "Unique key", "none")}
        {field("tags", "Tags", (handler?.tags ?? []).join(", ") || "none", "Separated by commas.")}
      </div>
    </details>
  );
}

function About({ handler }: { handler: HandlerRow }): JSX.Element {
  return (
    <aside class="job-sheet" aria-label="About this job">
      {handler.summary && <p class="run-summary">{handler.summary}</p>}
      <Facts>
        <Fact name="Key"><code>{handler.key}</code></Fact>
        <Fact name="Queue">{handler.queue}</Fact>
        <Fact name="Attempts">{handler.max_attempts}</Fact>
        <Fact name="Timeout">{handler.timeout_s === null ? null : `${handler.timeout_s} s`}</Fact>
        <Fact name="At once">{handler.concurrency}</Fact>
        <Fact name="Rate">{handler.rate}</Fact>
        <Fact name="Runs">{handler.is_async ? "async, beside others" : "one at a time in its process"}</Fact>
      </Facts>
      <p class="run-past"><a href={`jobs?key=${encodeURIComponent(handler.key)}`}>Its jobs</a></p>
    </aside>
  );
}
