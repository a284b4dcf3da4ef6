// What people fill in, choose from and switch between.
import { cloneElement, type ComponentChildren, type JSX, type VNode } from "preact";
import { useId, useRef } from "preact/hooks";

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | undefined;
  optional?: boolean;
  /** One input, select or textarea: it gets the label, the hint and the error as its own. */
  children: VNode<Record<string, unknown>>;
}

export function Field({ label, hint, error, optional, children }: FieldProps): JSX.Element {
  const id = useId();
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`field${error ? " is-wrong" : ""}`}>
      <label for={id}>
        {label}
        {optional && <span class="dim"> optional</span>}
      </label>
      {cloneElement(children, { id, "aria-describedby": told || undefined, "aria-invalid": error ? "true" : undefined })}
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
      {error && <p class="wrong" id={`${id}-error`}>{error}</p>}
    </div>
  );
}

export interface Option<Value extends string> {
  value: Value;
  text: ComponentChildren;
}

interface ChoiceProps<Value extends string> {
  label: string;
  options: readonly Option<Value>[];
  value: Value;
  onChange: (value: Value) => void;
}

/** A few choices side by side, of which one holds. */
export function Segments<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>): JSX.Element {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option.value} type="button" aria-pressed={option.value === value} onClick={() => onChange(option.value)}>
          {option.text}
        </button>
      ))}
    </div>
  );
}

/** Views of one thing; arrow keys go from tab to tab. The caller shows the panel inside `TabPanel`. */
export function Tabs<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const present = options.findIndex((option) => option.value === value);
    const next = (present + step + options.length) % options.length;
    onChange(options[next]!.value);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="tab"
          aria-selected={option.value === value}
          tabIndex={option.value === value ? 0 : -1}
          onClick={() => onChange(option.value)}
        >
          {option.text}
        </button>
      ))}
    </div>
  );
}

export function TabPanel({ label, children }: { label: string; children: ComponentChildren }): JSX.Element {
  return <div role="tabpanel" aria-label={label}>{children}</div>;
}
