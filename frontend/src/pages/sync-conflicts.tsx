// Conflicts: each field as it was, as it is here, as it is there; a choice for each, or one for all.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { ConflictList, FieldChoice, Resolution, SyncConflict, SyncField, SyncValue } from "../api.ts";
import { act, confirm } from "../core/act.ts";
import { post } from "../core/client.ts";
import { plural } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { Ago, Button, Empty } from "../ui/basics.tsx";
import { Diff } from "../ui/code.tsx";
import { Loaded } from "../ui/page.tsx";
import { Rest, useMore } from "./sync.tsx";

const SIDES = ["base", "mine", "theirs"] as const;
type Side = (typeof SIDES)[number];
const TITLES: Record<Side, string> = { base: "Before", mine: "Mine", theirs: "Theirs" };
/** A side, or a text of one's own. */
type Pick = Side | { text: string | null };

export function Conflicts({ resource }: { resource: string }): JSX.Element {
  const { query, ...paging } = useMore();
  const load = useLoad<ConflictList>(`api/sync/${encodeURIComponent(resource)}/conflicts`, query);
  return (
    <Loaded
      load={load}
      isEmpty={(data) => data.conflicts.length === 0}
      empty={<Empty title="No conflict"><p>Where a row is edited here and at the remote, and no policy decides, both edits wait here for you.</p></Empty>}
    >
      {(data) => (
        <>
          <ul class="letters">{data.conflicts.map((one) => <Conflict key={one.id + one.seen} one={one} />)}</ul>
          <Rest {...paging} shown={data.conflicts.length} total={data.total} />
        </>
      )}
    </Loaded>
  );
}

function Conflict({ one }: { one: SyncConflict }): JSX.Element {
  const [picks, setPicks] = useState<Record<string, Pick>>({});
  const [all, setAll] = useState(false);
  const contested = one.fields.filter((field) => field.verdict === "contested");
  const open = contested.filter((field) => picks[field.name] === undefined);
  const quiet = one.fields.filter((field) => field.verdict === "same");
  const shown = all ? one.fields : one.fields.filter((field) => field.verdict !== "same");
  const settle = (body: Omit<Resolution, "seen">, done: string): Promise<unknown> =>
    act(() => post(`api/sync/conflicts/${one.id}/resolve`, { ...body, seen: one.seen }), done);
  const whole = (side: "mine" | "theirs"): Promise<unknown> =>
    settle({ choice: side, fields: {} }, `${one.key}: ${side === "mine" ? "what is here is kept" : "the remote's values are taken"}`);
  const chosen = (): Promise<unknown> =>
    settle({ choice: "fields", fields: Object.fromEntries(Object.entries(picks).map(([name, pick]) => [name, choiceOf(pick)])) }, `${one.key} is resolved as chosen`);
  const remove = async (): Promise<void> => {
    const sure = await confirm({ title: `Delete ${one.key} on both sides?`, text: "The row is deleted here, and with the next push at the remote.", action: "Delete", danger: true });
    if (sure) await settle({ choice: "delete", fields: {} }, `${one.key} is deleted`);
  };
  return (
    <li class="panel letter">
      <header>
        <h2><span class="mono">{one.key}</span></h2>
        <span class="dim">{plural(contested.length, "field")} to decide, since <Ago at={one.raised_at} bare /></span>
      </header>
      {(one.mine_deleted || one.theirs_deleted) && (
        <p class="deleted">{one.mine_deleted ? "The row is deleted here, and was edited at the remote." : "The row is deleted at the remote, and was edited here."}</p>
      )}
      <div class="sides" role="table" aria-label={`Both edits of ${one.key}`}>
        <div class="sides-head" role="row">
          <span role="columnheader">Field</span>
          {SIDES.map((side) => <span key={side} role="columnheader">{TITLES[side]}</span>)}
        </div>
        {shown.map((field) => (
          <FieldRow key={field.name} field={field} one={one} pick={picks[field.name]} onPick={(pick) => setPicks({ ...picks, [field.name]: pick })} />
        ))}
      </div>
      {quiet.length > 0 && (
        <button type="button" class="more-fields" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Only what differs" : `${plural(quiet.length, "field")} the same on both sides`}
        </button>
      )}
      <footer>
        <span class="dim">{open.length ? `${plural(open.length, "field")} not chosen yet` : "Every field is chosen"}</span>
        <div class="actions">
          {(one.mine_deleted || one.theirs_deleted) && <Button action kind="danger" small onClick={remove}>Delete it</Button>}
          <Button action small onClick={() => whole("mine")}>Keep mine</Button>
          <Button action small onClick={() => whole("theirs")}>Take theirs</Button>
          <Button action small kind="primary" disabled={open.length > 0} onClick={chosen}>Resolve as chosen</Button>
        </div>
      </footer>
    </li>
  );
}

function choiceOf(pick: Pick): FieldChoice {
  return typeof pick === "string" ? { side: pick, text: null, null: false } : { side: null, text: pick.text, null: pick.text === null };
}

interface FieldRowProps {
  field: SyncField;
  one: SyncConflict;
  pick: Pick | undefined;
  onPick: (pick: Pick) => void;
}

function FieldRow({ field, one, pick, onPick }: FieldRowProps): JSX.Element {
  const decide = field.verdict === "contested";
  const own = typeof pick === "object";
  const name = `${one.id} ${field.name}`;
  const both = one.mine_deleted ? "changed there" : one.theirs_deleted ? "changed here" : "both changed it";
  const verdict = { contested: both, mine: "changed here, kept", theirs: "changed there, taken", same: field.key ? "key" : "" }[field.verdict];
  const taken = field.verdict === "mine" || field.verdict === "theirs" ? field.verdict : pick;
  return (
    <div class={`side-row is-${field.verdict}`} role="row">
      <div class="side-name" role="rowheader">
        <span class="mono">{field.name}</span>
        {verdict && <span class="dim">{verdict}</span>}
      </div>
      {SIDES.map((side) => (
        <Cell key={side} side={side} picked={taken === side}>
          {decide && field[side] !== null ? (
            <label>
              <input type="radio" name={name} checked={pick === side} onChange={() => onPick(side)} aria-label={`${field.name}: ${TITLES[side].toLowerCase()}`} />
              <Value value={field[side]} base={side === "base" ? null : field.base} />
            </label>
          ) : <Value value={field[side]} base={side === "base" ? null : field.base} />}
        </Cell>
      ))}
      {decide && (
        <div class="side-own" role="cell">
          <label>
            <input type="radio" name={name} checked={own} onChange={() => onPick({ text: field.mine?.whole ? field.mine.text : "" })} />
            <span>A value of your own</span>
          </label>
          {own && (
            <>
              <input class="mono" aria-label={`Your own ${field.name}`} value={pick.text ?? ""} placeholder={pick.text === null ? "NULL" : ""} onInput={(event) => onPick({ text: event.currentTarget.value })} />
              <Button small kind="quiet" pressed={pick.text === null} onClick={() => onPick({ text: null })}>NULL</Button>
            </>
          )}
        </div>
      )}
    </div>
  );
}

function Cell({ side, picked, children }: { side: Side; picked: boolean; children: ComponentChildren }): JSX.Element {
  return <div role="cell" class={`cell-side${picked ? " is-picked" : ""}`} data-label={TITLES[side]}>{children}</div>;
}

/** A value; where it was another before, what of it is new. */
export function Value({ value, base = null }: { value: SyncValue | null; base?: SyncValue | null }): JSX.Element {
  if (!value) return <span class="dim">no row</span>;
  if (value.kind === "null") return <span class="dim">NULL</span>;
  if (value.kind === "blob") return <span class="dim">{plural(value.size, "byte")}</span>;
  const compared = base !== null && base.kind === "text" && value.kind === "text" && base.text !== value.text;
  return (
    <span class="value">
      {compared ? <Diff before={base.text} after={value.text} /> : value.text || <span class="dim">empty</span>}
      {value.size > value.text.length && <span class="dim"> … {plural(value.size, "character")}</span>}
    </span>
  );
}
