// Dead letters: what the remote did not take, in its own words; send it again, mend it, or give it up.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { DeadList, SyncDead, SyncField } from "../api.ts";
import { act, confirm } from "../core/act.ts";
import { post } from "../core/client.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Button, Empty } from "../ui/basics.tsx";
import { Json, Raw } from "../ui/code.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field } from "../ui/form.tsx";
import { Loaded } from "../ui/page.tsx";
import { Value } from "./sync-conflicts.tsx";
import { Rest, useMore } from "./sync.tsx";

export function DeadLetters({ resource }: { resource: string }): JSX.Element {
  const { query, ...paging } = useMore();
  const load = useLoad<DeadList>(`api/sync/${encodeURIComponent(resource)}/dead`, query);
  const [edited, setEdited] = useState<SyncDead | undefined>(undefined);
  return (
    <Loaded
      load={load}
      isEmpty={(data) => data.dead.length === 0}
      empty={<Empty title="Nothing was rejected"><p>A change that the remote does not take waits here with what it said.</p></Empty>}
    >
      {(data) => (
        <>
          <ul class="letters">{data.dead.map((one) => <Letter key={one.id} one={one} onEdit={() => setEdited(one)} />)}</ul>
          <Rest {...paging} shown={data.dead.length} total={data.total} />
          {edited && <EditDialog one={edited} onClose={() => setEdited(undefined)} />}
        </>
      )}
    </Loaded>
  );
}

const settle = (one: SyncDead, verb: string, done: string, body?: unknown): Promise<unknown> =>
  act(() => post(`api/sync/dead/${one.id}/${verb}`, body), `${one.key} ${done}`);

function Letter({ one, onEdit }: { one: SyncDead; onEdit: () => void }): JSX.Element {
  const changed = one.fields.filter((field) => field.key || (field.verdict !== "same" && field.mine?.kind !== "null"));
  const discard = async (): Promise<void> => {
    const sure = await confirm({ title: `Give up this change of ${one.key}?`, text: "The row stays as it is here, and is not sent before it is edited again.", action: "Discard", danger: true });
    if (sure) await settle(one, "discard", "is given up");
  };
  const revert = async (): Promise<void> => {
    const sure = await confirm({ title: `Put ${one.key} back?`, text: "What was changed here is lost: the row becomes what the remote has.", action: "Take the remote's row", danger: true });
    if (sure) await settle(one, "revert", "is what the remote has");
  };
  return (
    <li class="panel letter">
      <header>
        <h2><span class="mono">{one.key}</span> <span class="dim">{one.op}</span></h2>
        <span class="dim">sent {one.attempts}×, made <Ago at={one.made_at} /></span>
      </header>
      <div class="letter-body">
        <p class="said">{one.error || "The remote said nothing."}</p>
        {one.problem !== null && one.problem !== undefined && (
          <details class="more">
            <summary>What the server sent</summary>
            {typeof one.problem === "string" ? <Raw text={one.problem} label="what the server sent" /> : <Json value={one.problem} label="what the server sent" />}
          </details>
        )}
      </div>
      {changed.length > 0 && <Changed fields={changed} />}
      <footer>
        <span class="dim">{one.explicit ? "An operation: it is sent as it was given." : one.deleted ? "The row is deleted here." : ""}</span>
        <div class="actions">
          <Button action small kind="quiet" onClick={discard}>Discard</Button>
          <Button action small kind="quiet" onClick={revert}>Take theirs</Button>
          {!one.explicit && !one.deleted && <Button action small icon="edit" onClick={onEdit}>Edit</Button>}
          <Button action small icon="retry" onClick={() => settle(one, "retry", "is sent again")}>Retry</Button>
        </div>
      </footer>
    </li>
  );
}

function Changed({ fields }: { fields: SyncField[] }): JSX.Element {
  return (
    <div class="sides is-two" role="table" aria-label="What was to be changed">
      <div class="sides-head" role="row">
        <span role="columnheader">Field</span><span role="columnheader">Here</span><span role="columnheader">At the remote</span>
      </div>
      {fields.map((field) => (
        <div key={field.name} class="side-row" role="row">
          <div class="side-name" role="rowheader"><span class="mono">{field.name}</span></div>
          <div class="cell-side" role="cell" data-label="Here"><Value value={field.mine} base={field.theirs} /></div>
          <div class="cell-side" role="cell" data-label="At the remote"><Value value={field.theirs} /></div>
        </div>
      ))}
    </div>
  );
}

function EditDialog({ one, onClose }: { one: SyncDead; onClose: () => void }): JSX.Element {
  const [texts, setTexts] = useState<Record<string, string | null>>({});
  const fields = one.fields.filter((field) => !field.key && field.mine);
  const set = ({ name, mine }: SyncField, text: string | null): void => {
    const { [name]: _before, ...others } = texts;
    // What is as it was is no change, and what was NULL is not made empty by looking at it.
    const same = mine!.kind === "null" ? !text : mine!.whole && text === mine!.text;
    setTexts(same ? others : { ...others, [name]: text });
  };
  const present = ({ name, mine }: SyncField): string | null =>
    texts[name] !== undefined ? texts[name] : mine!.kind === "null" ? null : mine!.whole ? mine!.text : "";
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await settle(one, "edit", "is edited, and sent again", { columns: texts })) onClose();
  };
  return (
    <Dialog
      title={`Edit ${one.key}`}
      onClose={onClose}
      actions={<><Button onClick={onClose}>Cancel</Button><Button kind="primary" action disabled={Object.keys(texts).length === 0} onClick={send}>Save and send</Button></>}
    >
      <p class="said">{one.error}</p>
      <form class="form" onSubmit={(event) => void send(event)}>
        {fields.map((field) => (
          <Field
            key={field.name}
            label={field.name}
            hint={
              <>
                {field.mine!.whole ? field.declared.toLowerCase() : "Too long or secret to be shown: what you write replaces it."}
                {present(field) !== null && <Button small kind="quiet" onClick={() => set(field, null)}>Set to NULL</Button>}
              </>
            }
          >
            <input
              class="mono"
              value={present(field) ?? ""}
              placeholder={present(field) === null ? "NULL" : ""}
              onInput={(event) => set(field, event.currentTarget.value)}
            />
          </Field>
        ))}
      </form>
    </Dialog>
  );
}
