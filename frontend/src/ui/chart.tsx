// Charts over time: uPlot paints, the words beside it are ours, so that they can be read, copied and heard.
import type { JSX } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clockTime } from "../core/format.ts";
import { painted, token } from "../core/theme.ts";

export interface Line {
  name: string;
  values: readonly (number | null)[];
  /** A token of the style, such as "good". */
  colour: string;
  /** Dashes tell lines apart where colours do not. */
  dash?: number[];
}

interface ChartProps {
  title: string;
  /** The figure that stands for the whole. */
  figure: string;
  /** What the figure is: "a minute", "p95". */
  unit: string;
  /** Seconds since the epoch, one for each value. */
  at: readonly number[];
  lines: readonly Line[];
  kind: "lines" | "bars";
  format: (value: number) => string;
  bucket_s: number;
  /** Said in the chart's place while all values are none or nothing. */
  empty: string;
}

/** The place in time under the pointer, in all charts of a page at once. */
const pointed = signal<number | null>(null);
const HEIGHT = 148;

export function Chart(props: ChartProps): JSX.Element {
  const { title, figure, unit, at, lines, format, empty, bucket_s } = props;
  const nothing = lines.every((line) => line.values.every((value) => !value));
  const index = pointed.value;
  const moment = index === null ? undefined : at[index];
  return (
    <figure class="chart panel">
      <figcaption>
        <h2>{title}</h2>
        <p class="chart-figure"><strong>{figure}</strong> <span class="dim">{unit}</span></p>
      </figcaption>
      {nothing ? <p class="chart-empty">{empty}</p> : <Plot {...props} label={spoken(props)} />}
      <ul class="chart-legend">
        {lines.map((line) => {
          const value = index === null ? undefined : line.values[index];
          return (
            <li key={line.name}>
              <Swatch line={line} kind={props.kind} />
              {line.name}
              {moment !== undefined && <b>{value === null || value === undefined ? "–" : format(value)}</b>}
            </li>
          );
        })}
        {moment !== undefined && <li class="chart-moment dim">{clockTime(new Date(moment * 1_000)).replace(/:00$/, bucket_s < 60 ? ":00" : "")}</li>}
      </ul>
    </figure>
  );
}

function Swatch({ line, kind }: { line: Line; kind: "lines" | "bars" }): JSX.Element {
  return (
    <svg width="14" height="8" viewBox="0 0 14 8" aria-hidden="true">
      {kind === "bars"
        ? <rect width="8" height="8" x="3" rx="1.5" style={{ fill: `var(--${line.colour})` }} />
        : <path d="M0 4h14" stroke-dasharray={line.dash?.join(" ")} style={{ stroke: `var(--${line.colour})`, strokeWidth: "2" }} />}
    </svg>
  );
}

/** What a chart shows, in a sentence: its highest and its latest values. */
function spoken({ title, lines, format }: ChartProps): string {
  const told = lines.map((line) => {
    const values = line.values.filter((value) => value !== null);
    if (values.length === 0) return `${line.name}: none`;
    return `${line.name}: at most ${format(Math.max(...values))}, last ${format(values.at(-1)!)}`;
  });
  return `${title}. ${told.join("; ")}`;
}

/** Bars stand on each other; the last one is painted first. */
function columns({ at, lines, kind }: ChartProps): uPlot.AlignedData {
  const plain = lines.map((line) => [...line.values]);
  if (kind === "bars") {
    for (let row = 1; row < plain.length; row += 1) {
      plain[row] = plain[row]!.map((value, index) => (value ?? 0) + (plain[row - 1]![index] ?? 0));
    }
    plain.reverse();
  }
  return [[...at], ...plain];
}

function Plot(props: ChartProps & { label: string }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const theme = painted.value;
  const shape = `${props.kind} ${props.lines.length} ${props.bucket_s} ${theme}`;
  useEffect(() => {
    const place = box.current!;
    const made = new uPlot(options(props, place.clientWidth), columns(props), place);
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT }));
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      made.destroy();
      pointed.value = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(columns(props)), [props.at, props.lines]);
  return <div class="chart-plot" ref={box} role="img" aria-label={props.label} />;
}

function options({ lines, kind, format, bucket_s }: ChartProps, width: number): uPlot.Options {
  const painted_lines = kind === "bars" ? [...lines].reverse() : lines;
  const axis = { stroke: token("text-3"), font: "11px system-ui, sans-serif", ticks: { show: false } };
  const line = token("line");
  return {
    width,
    height: HEIGHT,
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: "windlass" },
      drag: { x: false, y: false },
      points: { size: 6 },
      y: false,
    },
    scales: {
      x: { time: true, range: (_plot, low, high) => (kind === "bars" ? [low - bucket_s / 2, high + bucket_s / 2] : [low, high]) },
      y: { range: (_plot, _low, high) => [0, Math.max(high * 1.08, 1e-9)] },
    },
    axes: [
      { ...axis, size: 26, gap: 7, space: 64, grid: { show: false }, values: (_plot, splits) => splits.map(hour) },
      {
        ...axis,
        size: (_plot, values) => 12 + 6.4 * Math.max(3, ...(values ?? []).map((text) => text?.length ?? 0)),
        gap: 6,
        space: 28,
        grid: { stroke: line, width: 1 },
        values: (_plot, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...painted_lines.map((one): uPlot.Series => {
        const colour = token(one.colour);
        return kind === "bars"
          ? { stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars!({ size: [0.76, 24] }) }
          : { stroke: colour, width: 1.6, dash: one.dash ?? [], spanGaps: true, points: { show: lonely(one.values), size: 5, fill: colour } };
      }),
    ],
    hooks: {
      setCursor: [(plot) => (pointed.value = plot.cursor.idx ?? null)],
    },
  };
}

/** A value between two gaps has no line to be seen by. */
const lonely = (values: readonly (number | null)[]): boolean => values.filter((value) => value !== null).length < 3;

function hour(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}
