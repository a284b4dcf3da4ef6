// The fields of a payload, each as its type wants it.
import type { JSX, TargetedEvent, VNode } from "preact";
import type { Draft, FieldPlan, Wrong } from "../core/schema.ts";
import { Field } from "../ui/form.tsx";

interface FieldsProps {
  plan: readonly FieldPlan[];
  draft: Draft;
  wrong: Wrong;
  onChange: (draft: Draft) => void;
  path?: string;
}

export function PayloadFields({ plan, draft, wrong, onChange, path = "" }: FieldsProps): JSX.Element {
  return (
    <>
      {plan.map((field) => {
        const at = path ? `${path}.${field.name}` : field.name;
        const value = draft[field.name] ?? "";
        const put = (next: string | boolean | Draft): void => onChange({ ...draft, [field.name]: next });
        if (typeof value === "object") {
          return (
            <fieldset key={field.name} class="form">
              <legend>{field.schema.title ?? field.name}</legend>
              <PayloadFields plan={field.fields} draft={value} wrong={wrong} onChange={put} path={at} />
            </fieldset>
          );
        }
        if (field.kind === "boolean") {
          return (
            <label key={field.name} class="check">
              <input type="checkbox" name={at} checked={value === true} onChange={(event) => put(event.currentTarget.checked)} />
              {field.name}
              {field.schema.description && <span class="dim">{field.schema.description}</span>}
            </label>
          );
        }
        return (
          <Field key={field.name} label={field.name} optional={!field.required || field.nullable} hint={hintOf(field)} error={wrong[at]}>
            {input(field, at, String(value), put)}
          </Field>
        );
      })}
    </>
  );
}

function hintOf({ kind, schema }: FieldPlan): string | undefined {
  const limits = [
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.pattern && `like ${schema.pattern}`,
    kind === "list" && "one a line",
    kind === "json" && "JSON",
    kind === "datetime" && "local time",
    schema.format && !["date", "time", "date-time"].includes(schema.format) && schema.format,
  ].filter(Boolean);
  return [schema.description, limits.join(", ")].filter(Boolean).join(" · ") || undefined;
}

function input(field: FieldPlan, name: string, value: string, put: (value: string) => void): VNode<Record<string, unknown>> {
  const common = {
    name,
    value,
    onInput: (event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>) => put(event.currentTarget.value),
  };
  const text_of = (word: unknown): string => (typeof word === "string" ? word : JSON.stringify(word));
  switch (field.kind) {
    case "choice":
      return (
        <select {...common}>
          {(!field.required || field.nullable || value === "") && <option value="">–</option>}
          {field.schema.enum!.map((word) => <option key={text_of(word)} value={JSON.stringify(word)}>{text_of(word)}</option>)}
        </select>
      ) as VNode<Record<string, unknown>>;
    case "long":
    case "list":
      return (<textarea {...common} rows={4} />) as VNode<Record<string, unknown>>;
    case "json":
      return (<textarea {...common} class="mono" rows={4} spellcheck={false} />) as VNode<Record<string, unknown>>;
    case "date":
    case "time":
      return (<input {...common} type={field.kind} step={field.kind === "time" ? 1 : undefined} />) as VNode<Record<string, unknown>>;
    case "datetime":
      return (<input {...common} type="datetime-local" step={1} />) as VNode<Record<string, unknown>>;
    case "integer":
    case "number":
      return (<input {...common} inputMode={field.kind === "integer" ? "numeric" : "decimal"} autocomplete="off" />) as VNode<Record<string, unknown>>;
    default:
      return (<input {...common} maxLength={field.schema.maxLength} autocomplete="off" />) as VNode<Record<string, unknown>>;
  }
}
