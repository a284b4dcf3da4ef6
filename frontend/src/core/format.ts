// Numbers, spans, sizes and times as people read them.
const whole = new Intl.NumberFormat("en");
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const DASH = "–";

export const number = (value: number): string => whole.format(value);
export const short = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value));

export function atLeast(value: number, is_least: boolean): string {
  return is_least ? `${number(value)}+` : number(value);
}

export function plural(count: number, word: string, words = `${word}s`): string {
  return `${number(count)} ${count === 1 ? word : words}`;
}

/** `0.42 ms`, `230 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return DASH;
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms > 0 && ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${one.format(ms)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 59.95) return `${one.format(seconds)} s`;
  return span(Math.round(seconds));
}

function span(seconds: number): string {
  const two = (big: number, unit: string, rest: number, small: string): string =>
    rest > 0 ? `${big} ${unit} ${rest} ${small}` : `${big} ${unit}`;
  if (seconds < 3_600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return two(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** One unit, for places where there is little room: `12 s`, `4 min`, `3 h`, `12 d`. */
export function coarse(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  if (value < 1_024) return `${value} B`;
  let size = value;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    size /= 1_024;
    if (size < 1_023.95 || unit === "TiB") return `${one.format(size)} ${unit}`;
  }
  return DASH;
}

const two = (value: number): string => String(value).padStart(2, "0");
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Local time: `14:03:22`, with the day where it is not today's: `3 Nov 14:03:22`. */
export function clockTime(at: Date | string, today = new Date()): string {
  const date = typeof at === "string" ? new Date(at) : at;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === today.toDateString()) return time;
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return date.getFullYear() === today.getFullYear() ? `${day} ${time}` : `${day} ${date.getFullYear()} ${time}`;
}

/** The whole local time with its zone: what a tooltip shows. */
export function fullTime(at: string): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
}

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? "null";
