// The frame of a page, and what is shown while its data is on its way, missing or none.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { session } from "../core/client.ts";
import { pageKeys, type Shortcut } from "../core/keys.ts";
import type { Load } from "../core/load.ts";
import { Button, Empty } from "./basics.tsx";
import { Cli, Terminal } from "./code.tsx";

interface PageProps {
  title: string;
  /** Shown instead of the title, where it has marks or links in it. */
  heading?: ComponentChildren;
  /** The page above this one. */
  up?: { href: string; text: string };
  actions?: ComponentChildren;
  commands?: readonly (string | { does: string; command: string })[] | undefined;
  children: ComponentChildren;
  class?: string;
}

export function Page(props: PageProps): JSX.Element {
  const { title, heading, up, actions, commands, children } = props;
  const app = session.value?.title ?? "Windlass";
  useEffect(() => {
    document.title = `${title} · ${app}`;
  }, [title, app]);
  return (
    <div class={`page ${props.class ?? ""}`}>
      <header class="page-head">
        <div class="page-title">
          {up && <a class="up" href={up.href}>{up.text}</a>}
          <h1 tabIndex={-1}>{heading ?? title}</h1>
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
      <Terminal commands={commands} />
    </div>
  );
}

interface LoadedProps<T> {
  load: Load<T>;
  children: (data: T) => ComponentChildren;
  /** Says whether there is nothing to show, and `empty` what to say then. */
  isEmpty?: (data: T) => boolean;
  empty?: ComponentChildren;
  /** How many grey lines stand for it meanwhile. */
  lines?: number;
}

/** Loading, error, empty, or the thing itself. An error beside old data leaves the data, and says how old it is. */
export function Loaded<T>({ load, children, isEmpty, empty, lines = 6 }: LoadedProps<T>): JSX.Element {
  const { data, error } = load;
  if (data === undefined) {
    if (error) return <Trouble load={load} />;
    return (
      <div class="skeleton" role="status" aria-label="Loading">
        {Array.from({ length: lines }, (_, index) => <div key={index} />)}
      </div>
    );
  }
  return (
    <div class={load.stale ? "is-stale" : undefined} aria-busy={load.stale}>
      {error && <Trouble load={load} />}
      {isEmpty?.(data) ? (empty ?? <Empty title="Nothing here" />) : children(data)}
    </div>
  );
}

function Trouble<T>({ load }: { load: Load<T> }): JSX.Element {
  const error = load.error!;
  return (
    <div class="trouble" role="alert">
      <p class="empty-title">{error.status === 404 ? "Not there" : "That did not work"}</p>
      <p>{error.message}</p>
      {error.wayOut && <p><Cli command={error.wayOut} /></p>}
      {error.status !== 404 && <Button icon="retry" onClick={load.reload}>Try again</Button>}
    </div>
  );
}

/** Keys of this page, for as long as it is shown. */
export function useKeys(keys: Shortcut[], because: readonly unknown[]): void {
  // With what is shown, not a frame after it: a key that is pressed in between would do what the last view did.
  useLayoutEffect(() => {
    pageKeys.value = keys;
    return () => {
      pageKeys.value = [];
    };
  }, because);
}
