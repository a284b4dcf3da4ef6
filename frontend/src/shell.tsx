// The frame around every page: where one can go, whether the connection lives, what just happened.
import type { JSX } from "preact";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { dismiss, toasts } from "./core/act.ts";
import { loadSession, session, shutOut } from "./core/client.ts";
import { everywhere, helpShown, pageKeys, type Shortcut } from "./core/keys.ts";
import { connection } from "./core/live.ts";
import { match, place } from "./core/router.ts";
import { theme, type Theme } from "./core/theme.ts";
import { pages } from "./pages/index.ts";
import { Button, Empty } from "./ui/basics.tsx";
import { Cli } from "./ui/code.tsx";
import { Confirm, Dialog } from "./ui/dialog.tsx";
import { Segments } from "./ui/form.tsx";
import { Icon, StateMark, type IconName } from "./ui/icon.tsx";
import { Page } from "./ui/page.tsx";

const WAYS: { title: string; ways: [string, string, IconName][] }[] = [
  { title: "Work", ways: [["", "Overview", "overview"], ["jobs", "Jobs", "jobs"], ["run", "Run a job", "run"], ["queues", "Queues", "queues"], ["schedules", "Schedules", "schedules"]] },
  { title: "Data", ways: [["sync", "Sync", "sync"], ["storage", "Storage", "storage"]] },
  { title: "Machine", ways: [["service", "Service", "service"], ["workers", "Workers", "workers"], ["audit", "Audit log", "audit"]] },
];

const menu_open = signal(false);

export function Shell(): JSX.Element {
  const path = place.value.path;
  useEffect(() => {
    menu_open.value = false;
  }, [path]);
  if (shutOut.value) return <ShutOut />;
  return (
    <div class={`shell${menu_open.value ? " menu-open" : ""}`}>
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>("main h1")?.focus()}>
        Skip to the page
      </button>
      <TopBar />
      <Navigation path={path} />
      {menu_open.value && <div class="veil" onClick={() => (menu_open.value = false)} />}
      <main>
        <PageOf path={path} />
      </main>
      <Toasts />
      <Confirm />
      {helpShown.value && <KeyHelp />}
    </div>
  );
}

function PageOf({ path }: { path: string }): JSX.Element {
  for (const [pattern, Component] of pages) {
    const words = match(pattern, path);
    if (words) return <Component key={pattern} {...words} />;
  }
  return (
    <Page title="No such page">
      <Empty title="There is nothing at this address">
        <p><a href="./">To the overview</a></p>
      </Empty>
    </Page>
  );
}

function TopBar(): JSX.Element {
  return (
    <header class="top-bar">
      <button type="button" class="button is-quiet is-icon" aria-label="Menu" aria-expanded={menu_open.value} aria-controls="navigation" onClick={() => (menu_open.value = !menu_open.value)}>
        <Icon name={menu_open.value ? "close" : "menu"} />
      </button>
      <Brand />
      <Live bare />
    </header>
  );
}

function Brand(): JSX.Element {
  const told = session.value;
  return (
    <a class="brand" href="./">
      <img src="icon.svg" width="22" height="22" alt="" />
      <span class="brand-name">{told?.title ?? "Windlass"}</span>
    </a>
  );
}

function Navigation({ path }: { path: string }): JSX.Element {
  const top = path.split("/")[0];
  const told = session.value;
  return (
    <aside class="sidebar" id="navigation" aria-label="Menu">
      <Brand />
      <nav aria-label="Pages" onKeyDown={(event) => event.key === "Escape" && (menu_open.value = false)}>
        {WAYS.map(({ title, ways }) => (
          <div key={title} class="ways">
            <h2>{title}</h2>
            {ways.map(([href, name, icon]) => (
              <a key={href} href={href || "./"} aria-current={top === href ? "page" : undefined}>
                <Icon name={icon} />
                {name}
              </a>
            ))}
          </div>
        ))}
      </nav>
      <div class="sidebar-foot">
        <Live />
        {told?.read_only && <p class="dim">You may only look</p>}
        <p class="database" title={told?.database}>{told?.database.split("?")[0]!.split("/").pop()}</p>
        <div class="foot-tools">
          <Segments<Theme>
            label="Theme"
            value={theme.value}
            onChange={(chosen) => (theme.value = chosen)}
            options={[
              { value: "system", text: <><Icon name="screen" size={14} /><span class="unseen">As the system</span></> },
              { value: "light", text: <><Icon name="sun" size={14} /><span class="unseen">Light</span></> },
              { value: "dark", text: <><Icon name="moon" size={14} /><span class="unseen">Dark</span></> },
            ]}
          />
          <button type="button" class="key-hint" aria-label="Show the keys" title="Show the keys" onClick={() => (helpShown.value = true)}>
            <kbd>?</kbd>
          </button>
        </div>
      </div>
    </aside>
  );
}

const LIVE = {
  live: ["completed", "Live", "Every change appears at once"],
  connecting: ["waiting", "Connecting", "Asking the server for its changes"],
  lost: ["warning", "Reconnecting", "The server does not answer: what is shown may be old"],
} as const;

function Live({ bare = false }: { bare?: boolean }): JSX.Element {
  const [mark, word, text] = LIVE[connection.value];
  return (
    <p class={`live is-${connection.value}`} role="status" title={text}>
      {connection.value === "live" ? <span class="pulse" aria-hidden="true" /> : <StateMark state={mark} />}
      <span class={bare ? "unseen" : undefined}>{word}</span>
    </p>
  );
}

function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={`toast is-${toast.kind}`}>
          <StateMark state={toast.kind === "done" ? "completed" : "failed"} />
          <div>
            <p>{toast.text}</p>
            {toast.detail && <p class="dim">{toast.detail}</p>}
            {toast.link && <a href={toast.link.href}>{toast.link.text}</a>}
          </div>
          <Button kind="quiet" icon="close" label="Dismiss" small onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}

function KeyHelp(): JSX.Element {
  const all: Shortcut[] = [...pageKeys.value, ...everywhere];
  const groups = (["This page", "Lists", "Go to", "Everywhere"] as const).filter((name) => all.some((one) => one.group === name));
  return (
    <Dialog title="Keys" wide onClose={() => (helpShown.value = false)}>
      <div class="key-groups">
        {groups.map((name) => (
          <section key={name}>
            <h3>{name}</h3>
            <dl>
              {all.filter((one) => one.group === name).map((one) => (
                <div key={one.keys}>
                  <dt>{one.keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
                  <dd>{one.does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

function ShutOut(): JSX.Element {
  const again = async (): Promise<void> => {
    try {
      await loadSession();
      location.reload();
    } catch {
      // Still refused: the page goes on saying so.
    }
  };
  return (
    <main class="shut-out">
      <img src="icon.svg" width="40" height="40" alt="" />
      <h1 tabIndex={-1}>You are not signed in</h1>
      <p>{shutOut.value?.message}</p>
      <p>This opens the dashboard with a new code:</p>
      <p><Cli command={shutOut.value?.wayOut ?? "windlass ui"} /></p>
      <p><a href="enter" target="_self">Or come in with the token</a></p>
      <Button onClick={again}>Try again</Button>
    </main>
  );
}
