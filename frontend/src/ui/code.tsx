// Text of machines: JSON, errors, commands, and what changed between two texts.
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { bytes, pretty } from "../core/format.ts";
import { Copy } from "./basics.tsx";

const SHOWN_AT_FIRST = 20_000;
const WORDS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g;

function coloured(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const found of text.matchAll(WORDS)) {
    parts.push(text.slice(end, found.index));
    const [word, string, colon] = found;
    const kind = string ? (colon ? "name" : "string") : found[3] ? "word" : "number";
    parts.push(<span class={`json-${kind}`}>{string ?? word}</span>, colon);
    end = found.index + word.length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** A value as indented JSON, or its `text` as the server wrote it: a long one is cut until somebody wants it whole. */
export function Json({ value, text = pretty(value), label }: { value?: unknown; text?: string; label: string }): JSX.Element {
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > SHOWN_AT_FIRST;
  return (
    <div class="code">
      <Copy text={text} what={`Copy ${label}`} />
      <pre tabIndex={0} role="region" aria-label={label}>{cut ? text.slice(0, SHOWN_AT_FIRST) : coloured(text)}</pre>
      {cut && <button type="button" class="code-more" onClick={() => setWhole(true)}>Show all of it ({bytes(text.length)})</button>}
    </div>
  );
}

/** An error or a log as it was written. */
export function Raw({ text, label }: { text: string; label: string }): JSX.Element {
  return (
    <div class="code">
      <Copy text={text} what={`Copy ${label}`} />
      <pre tabIndex={0} role="region" aria-label={label}>{text}</pre>
    </div>
  );
}

/** One command of the terminal, to be copied. */
export function Cli({ command }: { command: string }): JSX.Element {
  return (
    <span class="cli">
      <code>{command}</code>
      <Copy text={command} what={`Copy ${command}`} />
    </span>
  );
}

type Told = string | { does: string; command: string };

/** At the foot of every page: the same in a terminal. */
export function Terminal({ commands }: { commands: readonly Told[] | undefined }): JSX.Element | null {
  if (!commands?.length) return null;
  return (
    <aside class="terminal" aria-label="In the terminal">
      <h2>In the terminal</h2>
      <ul>
        {commands.map((told) => {
          const { does, command } = typeof told === "string" ? { does: "", command: told } : told;
          return (
            <li key={command}>
              {does && <span class="does">{does}</span>}
              <Cli command={command} />
            </li>
          );
        })}
      </ul>
    </aside>
  );
}

/** What of `after` is not in `before`, marked; equal beginnings and ends are left in peace. */
export function Diff({ before, after }: { before: string; after: string }): JSX.Element {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let end = 0;
  while (
    end < before.length - start && end < after.length - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  ) end += 1;
  // What is left in peace ends with a word, never within one.
  const inWord = (at: number): boolean => /^\w\w$/.test(before.slice(at - 1, at + 1)) || /^\w\w$/.test(after.slice(at - 1, at + 1));
  while (start > 0 && inWord(start)) start -= 1;
  while (end > 0 && (/\w/.test(before[before.length - end]!) && (/\w/.test(before[before.length - end - 1] ?? "") || /\w/.test(after[after.length - end - 1] ?? "")))) end -= 1;
  const gone = before.slice(start, before.length - end);
  const come = after.slice(start, after.length - end);
  return (
    <span class="diff">
      {after.slice(0, start)}
      {gone && <del>{gone}</del>}
      {come && <ins>{come}</ins>}
      {end > 0 && after.slice(-end)}
    </span>
  );
}
