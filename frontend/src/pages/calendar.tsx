// The next days of all schedules, as the clocks of whoever looks show them.
import type { JSX } from "preact";
import type { Calendar, CalendarDay, CalendarEntry, CalendarTime, ClockChange } from "../api.ts";
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

/** What runs more often than this on a day is named below the others, without its times. */
const OFTEN = 6;

function Day({ day, today }: { day: CalendarDay; today: boolean }): JSX.Element {
  const date = new Date(`${day.day}T12:00:00Z`);
  const word = (options: Intl.DateTimeFormatOptions): string => date.toLocaleDateString("en-GB", { ...options, timeZone: "UTC" });
  const often = day.entries.filter((entry) => entry.count > OFTEN);
  const times = day.entries
    .filter((entry) => entry.count <= OFTEN)
    .flatMap((entry) => entry.times.map((time) => ({ ...time, schedule: entry.schedule })))
    .sort((one, other) => one.at.localeCompare(other.at));
  return (
    <li class={`day${today ? " is-today" : ""}`}>
      <h2>
        <span>{today ? "Today" : word({ weekday: "short" })}</span> <span class="dim">{word({ day: "numeric", month: "short" })}</span>
      </h2>
      {day.changes.map((change) => <Change key={change.at} change={change} hours={day.hours} />)}
      {times.length > 0 && <ul>{times.map((time) => <Entry key={time.schedule + time.at} time={time} />)}</ul>}
      {often.length > 0 && <ul class="often">{often.map((entry) => <Often key={entry.schedule} entry={entry} />)}</ul>}
      {day.entries.length === 0 && <p class="dim">{today ? "Nothing more" : "Nothing"}</p>}
    </li>
  );
}

const at = (schedule: string): string => `schedules/${encodeURIComponent(schedule)}`;

function Entry({ time }: { time: CalendarTime & { schedule: string } }): JSX.Element {
  return (
    <li class="entry">
      <a href={at(time.schedule)} title={time.schedule}>
        <span class="entry-time">{time.clock}</span>
        <span class="cut">{time.schedule}</span>
      </a>
      {time.note && <p class="clock-note"><Icon name="clock" size={13} />{time.note}</p>}
    </li>
  );
}

function Often({ entry }: { entry: CalendarEntry }): JSX.Element {
  const { schedule, count, more, times } = entry;
  return (
    <li class="entry">
      <a href={at(schedule)} title={`${schedule}, first at ${times[0]!.clock}`}>
        <span class="entry-time">{count}{more && "+"}×</span>
        <span class="cut">{schedule}</span>
      </a>
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
