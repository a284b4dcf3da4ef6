// Small pictures between words.
import type { JSX } from "preact";

interface SparkProps {
  /** Oldest first; null is a gap. */
  values: readonly (number | null)[];
  /** What is seen, in words. */
  label: string;
  /** The state of each, where bars have one. */
  kinds?: readonly ("good" | "bad" | "idle")[];
  width?: number;
  height?: number;
}

/** Bars of the last values, the newest at the right. */
export function Spark({ values, label, kinds, width = 96, height = 20 }: SparkProps): JSX.Element {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = width / Math.max(values.length, 1);
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {values.map((value, index) => {
        if (value === null) return null;
        const tall = Math.max(2, (value / top) * height);
        return (
          <rect key={index} class={`is-${kinds?.[index] ?? "plain"}`} x={index * step} y={height - tall} width={Math.max(1, step - 1.5)} height={tall} rx="1" />
        );
      })}
    </svg>
  );
}
