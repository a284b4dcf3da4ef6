// Line icons on a grid of 16, and the marks of states, which differ in shape as well as in colour.
import type { JSX } from "preact";

const LINES = {
  overview: "M2 13h12M4 10.5v-4M8 10.5v-8M12 10.5v-6",
  jobs: "M5.5 4h8.5M5.5 8h8.5M5.5 12h8.5M2 4h.5M2 8h.5M2 12h.5",
  run: "M4.5 2.8v10.4L13 8z",
  queues: "M2 4.5 8 2l6 2.5L8 7zM2 8l6 2.5L14 8M2 11.5 8 14l6-2.5",
  schedules: "M3 3.5h10v10H3zM3 6.5h10M5.5 2v3M10.5 2v3",
  sync: "M13.5 6A5.8 5.8 0 0 0 3 5M2.5 10A5.8 5.8 0 0 0 13 11M3 2.2V5h2.8M13 13.8V11h-2.8",
  workers: "M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14",
  storage: "M13 4c0 1.1-2.2 2-5 2s-5-.9-5-2 2.2-2 5-2 5 .9 5 2zM3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2",
  service: "M8 1.8v6M4.6 3.9a5.4 5.4 0 1 0 6.8 0",
  audit: "M4 2h6l3 3v9H4zM10 2v3h3M6.5 8.5h4M6.5 11h4",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5l3.2 3.2L13 4.8",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13",
  moon: "M13.2 9.8A5.6 5.6 0 0 1 6.2 2.8a5.6 5.6 0 1 0 7 7z",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3 14 14",
  retry: "M13.5 8A5.5 5.5 0 1 1 11.6 3.8M11.8 1.5v2.6H9.2",
  cancel: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM3.9 3.9l8.2 8.2",
  trash: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4",
  pause: "M5.5 3v10M10.5 3v10",
  edit: "M3 13l.6-2.8L10.8 3 13 5.2l-7.2 7.2z",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  up: "M8 13V3M4 7l4-4 4 4",
  warning: "M8 2 1.8 13h12.4zM8 6.5v3M8 11.2v.1",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.8V8l2.2 1.6",
  filter: "M2 3.5h12L9.5 8.6v4.6l-3-1.5V8.6z",
  plus: "M8 3v10M3 8h10",
  key: "M2 4h12v8H2zM4.5 6.5h.1M7 6.5h.1M9.4 6.5h.1M11.7 6.5h.1M5 9.5h6",
} as const;

export type IconName = keyof typeof LINES;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <path d={LINES[name]} />
    </svg>
  );
}

/** The states of a job, and with them those of everything else that is well, ill, at work or waiting. */
export type Mark =
  | "completed" | "failed" | "running" | "ready" | "scheduled" | "retrying" | "waiting" | "held" | "cancelled" | "warning";

const MARKS: Record<Mark, JSX.Element> = {
  completed: <><circle class="fill" cx="7" cy="7" r="6" /><path class="cut" d="M4.2 7.2l2 2 3.6-4" /></>,
  failed: <><path class="fill" d="M4.3 1h5.4L13 4.3v5.4L9.7 13H4.3L1 9.7V4.3z" /><path class="cut" d="M5 5l4 4M9 5l-4 4" /></>,
  running: <><circle class="ring" cx="7" cy="7" r="5.2" /><path class="fill" d="M7 3.6a3.4 3.4 0 0 1 0 6.8z" /></>,
  ready: <circle class="ring" cx="7" cy="7" r="5.2" />,
  scheduled: <><circle class="ring" cx="7" cy="7" r="5.2" /><path class="ring" d="M7 4.2V7l2 1.4" /></>,
  retrying: <><path class="ring" d="M11.8 7A4.8 4.8 0 1 1 10.2 3.4" /><path class="ring" d="M10.4 1v2.6H7.8" /></>,
  waiting: <circle class="ring dashed" cx="7" cy="7" r="5.2" />,
  held: <><rect class="ring" x="1.8" y="1.8" width="10.4" height="10.4" rx="2" /><path class="ring" d="M5.4 4.8v4.4M8.6 4.8v4.4" /></>,
  cancelled: <><circle class="ring" cx="7" cy="7" r="5.2" /><path class="ring" d="M3.4 10.6l7.2-7.2" /></>,
  warning: <><path class="fill" d="M7 1 13.4 12.6H.6z" /><path class="cut" d="M7 5.2v3.2M7 10.4v.1" /></>,
};

export function StateMark({ state }: { state: Mark }): JSX.Element {
  return <svg class={`mark is-${state}`} width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">{MARKS[state]}</svg>;
}
