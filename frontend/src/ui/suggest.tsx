// A field that knows what may be typed into it: the server tells the words that begin so.
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Suggestions } from "../api.ts";
import { address, get } from "../core/client.ts";

interface SuggestProps {
  field: "key" | "queue" | "tag";
  label: string;
  value: string;
  onChange: (value: string) => void;
}

/** Arrows choose, Enter takes, Escape closes, and leaving the field takes what was typed. */
export function Suggest({ field, label, value, onChange }: SuggestProps): JSX.Element {
  const id = useId();
  const [typed, setTyped] = useState(value);
  const [words, setWords] = useState<string[] | null>(null);
  const [at, setAt] = useState(-1);
  const asked = useRef<AbortController | undefined>(undefined);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => () => asked.current?.abort(), []);

  const ask = async (prefix: string): Promise<void> => {
    asked.current?.abort();
    const mine = (asked.current = new AbortController());
    try {
      const told = await get<Suggestions>(address("api/jobs/suggest", { field, prefix, limit: 12 }), mine.signal);
      if (!mine.signal.aborted) setWords(told.values);
    } catch {
      setWords(null); // no suggestions: the field still takes what is typed
    }
    setAt(-1);
  };
  const take = (word: string): void => {
    asked.current?.abort();
    setTyped(word);
    setWords(null);
    if (word !== value) onChange(word);
  };
  const key = (event: KeyboardEvent): void => {
    const count = words?.length ?? 0;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!words) void ask(typed);
      else if (count) setAt((at + (event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1) + count) % count);
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(words?.[at] ?? typed.trim());
    } else if (event.key === "Escape" && words) {
      event.stopPropagation();
      setWords(null);
    }
  };
  return (
    <div class={`suggest${value ? " is-set" : ""}`}>
      <input
        role="combobox"
        aria-label={label}
        aria-autocomplete="list"
        aria-expanded={words !== null && words.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={label}
        value={typed}
        onFocus={() => void ask("")}
        onInput={(event) => {
          setTyped(event.currentTarget.value);
          void ask(event.currentTarget.value);
        }}
        onKeyDown={key}
        onBlur={() => take(typed.trim())}
      />
      {value && <button type="button" class="suggest-clear" aria-label={`Any ${label.toLowerCase()}`} onClick={() => take("")}>×</button>}
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!words?.length}>
        {words?.map((word, index) => (
          <li
            key={word}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onMouseDown={(event) => {
              event.preventDefault();
              take(word);
            }}
          >
            {word}
          </li>
        ))}
      </ul>
    </div>
  );
}
