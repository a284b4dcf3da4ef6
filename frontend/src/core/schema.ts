// What a JSON schema asks of a form: plain fields where it can, JSON where it cannot.
export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema | false;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  additionalProperties?: Schema | boolean;
}

export type FieldKind = "text" | "long" | "integer" | "number" | "boolean" | "choice" | "date" | "datetime" | "time" | "list" | "group" | "json";

export interface FieldPlan {
  name: string;
  kind: FieldKind;
  required: boolean;
  nullable: boolean;
  schema: Schema;
  /** Of a group. */
  fields: FieldPlan[];
}

const DEEPEST = 4;

function resolved(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let step = 0; found.$ref && step < 20; step += 1) {
    const { $ref, ...beside } = found;
    found = { ...root.$defs?.[$ref.split("/").pop() ?? ""], ...beside };
  }
  return found;
}

/** The plan of an object's fields; undefined where only JSON will do. */
export function planOf(schema: Schema, root: Schema = schema, depth = 0): FieldPlan[] | undefined {
  const whole = resolved(schema, root);
  if (!whole.properties || depth > DEEPEST) return undefined;
  const required = new Set(whole.required ?? []);
  return Object.entries(whole.properties).map(([name, part]) => fieldOf(name, part, required.has(name), root, depth));
}

function fieldOf(name: string, part: Schema, required: boolean, root: Schema, depth: number): FieldPlan {
  let schema = resolved(part, root);
  let nullable = false;
  if (schema.anyOf) {
    const others = schema.anyOf.map((one) => resolved(one, root)).filter((one) => one.type !== "null");
    nullable = others.length < schema.anyOf.length;
    const { anyOf: _choices, ...beside } = schema;
    schema = others.length === 1 ? { ...others[0], ...beside } : { ...beside, type: "anything" };
  }
  if (Array.isArray(schema.enum) && schema.enum.includes(null)) nullable = true;
  const fields = schema.type === "object" ? planOf(schema, root, depth + 1) : undefined;
  return { name, kind: kindOf(schema, root, fields !== undefined && fields.length > 0), required, nullable, schema, fields: fields ?? [] };
}

function kindOf(schema: Schema, root: Schema, has_fields: boolean): FieldKind {
  if (schema.enum) return "choice";
  switch (schema.type) {
    case "boolean":
    case "integer":
    case "number":
      return schema.type;
    case "string":
      if (schema.format === "date" || schema.format === "time") return schema.format;
      if (schema.format === "date-time") return "datetime";
      return (schema.maxLength ?? 0) > 400 ? "long" : "text";
    case "array": {
      const item = schema.items ? resolved(schema.items, root) : {};
      return item.type === "string" && !item.enum && !item.format ? "list" : "json";
    }
    case "object":
      return has_fields ? "group" : "json";
    default:
      return "json";
  }
}

/** What is in the fields, as it was typed: text, ticks, and groups of both. */
export type Draft = { [name: string]: string | boolean | Draft };

/** The fields as they are at first, or as a value has them. */
export function draftOf(plan: readonly FieldPlan[], value: Record<string, unknown> = {}): Draft {
  const draft: Draft = {};
  for (const { name, kind, schema, fields } of plan) {
    const given = name in value ? value[name] : schema.default;
    if (kind === "group") draft[name] = draftOf(fields, (given ?? {}) as Record<string, unknown>);
    else if (kind === "boolean") draft[name] = given === true;
    else if (given === undefined || given === null) draft[name] = "";
    else if (kind === "list") draft[name] = (given as string[]).join("\n");
    else if (kind === "json" || kind === "choice") draft[name] = JSON.stringify(given, null, kind === "json" ? 2 : 0);
    else if (kind === "datetime") draft[name] = localTime(String(given));
    else draft[name] = String(given);
  }
  return draft;
}

function localTime(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.valueOf())) return "";
  return new Date(date.valueOf() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export type Wrong = Record<string, string>;

/** The JSON text of a draft. Numbers stay as they were typed, so that long ones are not rounded. */
export function textOf(plan: readonly FieldPlan[], draft: Draft, wrong: Wrong, path = "", indent = "  "): string {
  const parts: string[] = [];
  for (const field of plan) {
    const at = path ? `${path}.${field.name}` : field.name;
    const value = partOf(field, draft[field.name] ?? "", wrong, at, indent);
    if (value !== undefined) parts.push(`${indent}${JSON.stringify(field.name)}: ${value}`);
  }
  return parts.length ? `{\n${parts.join(",\n")}\n${indent.slice(2)}}` : "{}";
}

function partOf(field: FieldPlan, given: string | boolean | Draft, wrong: Wrong, at: string, indent: string): string | undefined {
  const { kind, schema, required, nullable } = field;
  if (typeof given === "object") {
    const inner: Wrong = {};
    const text = textOf(field.fields, given, inner, at, `${indent}  `);
    if (text === "{}" && !required) return undefined;
    if (!required && Object.keys(inner).length && untouched(given)) return nullable ? "null" : undefined;
    Object.assign(wrong, inner);
    return text;
  }
  if (typeof given === "boolean") return !required && given === (schema.default ?? false) ? undefined : String(given);
  const text = kind === "text" || kind === "long" ? given : given.trim();
  if (text === "" && kind !== "list") {
    if (nullable && required) return "null";
    if (!required) return undefined;
    wrong[at] = kind === "text" || kind === "long" ? 'needed; as JSON it may be ""' : "needed";
    return undefined;
  }
  return scalarOf(field, text, wrong, at, indent);
}

function scalarOf(field: FieldPlan, text: string, wrong: Wrong, at: string, indent: string): string | undefined {
  switch (field.kind) {
    case "integer":
      if (!/^-?\d+$/.test(text)) wrong[at] = "a whole number";
      return text.replace(/^(-?)0+(?=\d)/, "$1");
    case "number":
      if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) wrong[at] = "a number";
      return text;
    case "datetime":
      return JSON.stringify(new Date(text).toISOString());
    case "list": {
      const items = text.split("\n").map((line) => line.trim()).filter(Boolean);
      return items.length === 0 && !field.required ? undefined : JSON.stringify(items);
    }
    case "choice":
      return text;
    case "json":
      try {
        JSON.parse(text);
      } catch (error) {
        wrong[at] = `not JSON: ${(error as Error).message}`;
      }
      return text.replaceAll("\n", `\n${indent}`);
    default:
      return JSON.stringify(text);
  }
}

const untouched = (draft: Draft): boolean =>
  Object.values(draft).every((value) => (typeof value === "object" ? untouched(value) : value === "" || value === false));
