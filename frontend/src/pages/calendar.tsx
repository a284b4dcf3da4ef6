// The next days of all schedules, as the clocks of whoever looks show them.
import type { JSX } from "preact";
import type { Calendar, CalendarDay, CalendarEntry, ClockChange } from "../api.ts";
import { duration } from "../core/format.ts";
import { useLoad } from "../core/load.ts";
import { goQuery, place } from "../core/router.ts";
import { Segments } from "../ui/form.tsx";
import { Icon } from "../ui/icon.tsx";
import { Loaded } from "../ui/page.tsx";

const SPANS = ["7", "14", "28"] as const;
type Span = (typeof SPANS)[number];

export const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export function CalendarView(): JSX.Element {
  const asked = place.value.query.get("days") as Span;
  const days: Span = SPANS.includes(asked) ? asked : "7";
  const load = useLoad<Calendar>("api/calendar", { days, tz: localZone() });
  return (
    <div class="calendar">
      <div class="calendar-head">
        <p class="dim">Times of {load.data?.tz ?? localZone()}. Paused schedules are left out.</p>
        <Segments
          label="How far ahead"
          value={days}
          options={SPANS.map((value) => ({ value, text: `${value} days` }))}
          onChange={(value) => goQuery({ days: value === "7" ? null : value }, { replace: true })}
        />
      </div>
      <Loaded load={load}>
        {(data) => <ol class="days">{data.days.map((day, index) => <Day key={day.day} day={day} today={index === 0} />)}</ol>}
      </Loaded>
    </div>
  );
}

function Day({ day, today }: { day: CalendarDay; today: boolean }): JSX.Element {
  const date = new Date(`${day.day}T12:00:00Z`);
  const word = (options: Intl.DateTimeFormatOptions): string => date.toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });
  return (
    <li class={`day${today ? " is-today" : ""}`}>
      <h2>
        <span>{today ? "Today" : word({ weekday: "short" })}</span> <span class="dim">{word({ day: "numeric", month: "short" })}</span>
      </h2>
      {day.changes.map((change) => <Change key={change.at} change={change} hours={day.hours} />)}
      {day.entries.length === 0 ? <p class="dim">{today ? "Nothing more" : "Nothing"}</p> : (
        <ul>{day.entries.map((entry) => <Entry key={entry.schedule} entry={entry} />)}</ul>
      )}
    </li>
  );
}

function Entry({ entry }: { entry: CalendarEntry }): JSX.Element {
  const { times, count, more } = entry;
  const notes = times.filter((time) => time.note);
  return (
    <li class="entry">
      <a href={`schedules/${encodeURIComponent(entry.schedule)}`}>
        <span class="entry-time">{times[0]!.clock}</span>
        <span class="entry-name">{entry.schedule}</span>
        {count > 1 && <span class="entry-count" title={times.map((time) => time.clock).join(", ")}>{more ? `over ${count}` : count}×</span>}
      </a>
      {notes.map((time) => <p key={time.at} class="clock-note"><Icon name="clock" size={13} />{time.note}</p>)}
    </li>
  );
}

/** What becomes of the clocks on a day that has not 24 hours. */
export function Change({ change, hours }: { change: ClockChange; hours?: number }): JSX.Element {
  const way = change.shift_s > 0 ? "forward" : "back";
  return (
    <p class="clock-note">
      <Icon name="clock" size={13} />
      <span>
        Clocks go {way} {duration(Math.abs(change.shift_s) * 1000)}: {change.before} becomes {change.after}
        {hours !== undefined && `; the day has ${hours} hours`}.
      </span>
    </p>
  );
}
