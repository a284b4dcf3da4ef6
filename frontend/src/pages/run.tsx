// Run a job: which one, and then a form that is made from what its handler takes.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { HandlerRow, Handlers } from "../api.ts";
import { plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { place } from "../core/router.ts";
import { planOf, type Schema } from "../core/schema.ts";
import { Callout, Empty, Tag } from "../ui/basics.tsx";
import { Loaded, Page } from "../ui/page.tsx";
import { RunForm } from "./run-form.tsx";

export function RunPage(): JSX.Element {
  const load = useLoad<Handlers>("api/handlers");
  const key = place.value.query.get("key");
  const handler = load.data?.handlers.find((one) => one.key === key);
  const title = key === null ? "Run a job" : `Run ${handler?.title ?? key}`;
  return (
    <Page title={title} {...(key !== null && { up: { href: "run", text: "Run a job" } })} commands={load.data && [load.data.command.replace("KEY", key ?? "KEY")]}>
      <Loaded load={load}>
        {(data) => (
          <>
            {!data.known && <Callout kind="note" title="There are no forms here"><p>{data.note}</p></Callout>}
            {key !== null ? <RunForm key={key} job_key={key} handler={handler} /> : <Choose handlers={data.handlers} known={data.known} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Choose({ handlers, known }: { handlers: HandlerRow[]; known: boolean }): JSX.Element {
  const [typed, setTyped] = useState("");
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = handlers.filter((one) => words.every((word) => `${one.key} ${one.title} ${one.summary}`.toLowerCase().includes(word)));
  const exact = typed.trim();
  return (
    <div class="choose">
      <input type="search" aria-label="Find a job" placeholder={known ? "Find a job" : "The key of a job"} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
      {found.length === 0 && (exact ? (
        <Empty title={`No handler is called ${exact}`}><p><a href={`run?key=${encodeURIComponent(exact)}`}>Enqueue {exact} by its key</a></p></Empty>
      ) : (
        <Empty title="No handler is known"><p>Type the key of a job: it runs as soon as a worker knows it.</p></Empty>
      ))}
      <ul class="lines">
        {found.map((one) => (
          <li key={one.key} data-row={one.key} class="leads">
            <a data-open href={`run?key=${encodeURIComponent(one.key)}`}>
              <span>{one.title ?? one.key}</span>
              <span class="end dim">{one.queue}</span>
            </a>
            <p class="dim">{one.title && <code>{one.key} </code>}{one.summary}</p>
            <span class="end dim">{takes(one)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function takes(handler: HandlerRow): JSX.Element | string {
  const fields = planOf(handler.schema as Schema) ?? [];
  if (fields.length === 0) return "takes nothing";
  return fields.length > 3 ? plural(fields.length, "field") : <span class="tags">{fields.map(({ name }) => <Tag key={name}>{name}</Tag>)}</span>;
}
