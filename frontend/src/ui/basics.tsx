// Small parts: badges, buttons, facts, times, words of code.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { now } from "../core/clock.ts";
import { mayAct } from "../core/client.ts";
import { coarse, fullTime } from "../core/format.ts";
import { Icon, StateMark, type IconName, type Mark } from "./icon.tsx";

/** A state in shape, colour and word. */
export function Badge({ state, children }: { state: Mark; children?: ComponentChildren }): JSX.Element {
  return (
    <span class={`badge is-${state}`}>
      <StateMark state={state} />
      {children ?? state}
    </span>
  );
}

/** A word that was chosen by somebody: a tag, a key, a kind. */
export function Tag({ children, href }: { children: ComponentChildren; href?: string }): JSX.Element {
  return href ? <a class="tag" href={href}>{children}</a> : <span class="tag">{children}</span>;
}

interface ButtonProps {
  children?: ComponentChildren;
  onClick?: (event: MouseEvent) => unknown;
  kind?: "plain" | "primary" | "danger" | "quiet";
  icon?: IconName;
  /** What it does, where it shows an icon alone. */
  label?: string;
  /** It changes something: off where one may only look. */
  action?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  small?: boolean;
  pressed?: boolean;
}

/** Off while what it began still runs, yet not disabled: that would take the focus from whoever has no mouse. */
export function Button(props: ButtonProps): JSX.Element {
  const { children, onClick, kind = "plain", icon, label, action = false, type = "button", small, pressed } = props;
  const [busy, setBusy] = useState(false);
  const only_look = action && !mayAct();
  const click = async (event: MouseEvent): Promise<void> => {
    setBusy(true);
    try {
      await onClick?.(event);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type={type}
      class={`button is-${kind}${small ? " is-small" : ""}${children ? "" : " is-icon"}`}
      disabled={props.disabled || only_look}
      aria-disabled={busy || undefined}
      aria-label={label}
      aria-pressed={pressed}
      title={only_look ? "You may only look" : label}
      onClick={onClick && ((event) => void (busy || click(event)))}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function LinkButton(props: { href: string; icon?: IconName; kind?: string; children: ComponentChildren }): JSX.Element {
  return (
    <a class={`button is-${props.kind ?? "plain"}`} href={props.href}>
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </a>
  );
}

/** "4 min ago", "in 3 h": the whole time is in its tooltip. */
export function Ago({ at, bare = false }: { at: string | null | undefined; bare?: boolean }): JSX.Element {
  if (!at) return <span class="dim">–</span>;
  const ms = now.value - Date.parse(at);
  const text = coarse(Math.abs(ms));
  const words = bare ? text : ms < -1_500 ? `in ${text}` : ms < 1_500 ? "now" : `${text} ago`;
  return <time datetime={at} title={fullTime(at)}>{words}</time>;
}

export function Facts({ children }: { children: ComponentChildren }): JSX.Element {
  return <dl class="facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element | null {
  if (children === null || children === undefined || children === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A part of a page under a heading. */
export function Section(props: { title: string; aside?: ComponentChildren; class?: string; children: ComponentChildren }): JSX.Element {
  return (
    <section class={`section ${props.class ?? ""}`}>
      <header>
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

interface CalloutProps {
  kind: "note" | "warning" | "danger" | "good";
  title: ComponentChildren;
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

/** What has to be seen before everything else. */
export function Callout({ kind, title, children, actions }: CalloutProps): JSX.Element {
  const icon = { note: "clock", warning: "warning", danger: "warning", good: "check" }[kind] as IconName;
  return (
    <div class={`callout is-${kind}`}>
      <Icon name={icon} />
      <div class="callout-text">
        <strong>{title}</strong>
        {children}
      </div>
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** How far something is: `of` unknown shows that it goes on. */
export function Progress({ done, of, label }: { done: number; of: number | null; label: string }): JSX.Element {
  return of ? <progress max={of} value={done} aria-label={label} /> : <progress aria-label={label} />;
}

export function Copy({ text, what = "Copy" }: { text: string; what?: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea"); // without https there is no clipboard API
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setCopied(true);
    window.setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <button type="button" class="button is-quiet is-icon is-small" aria-label={copied ? "Copied" : what} title={what} onClick={() => void copy()}>
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}
