// Whom a job waits for, and who waits for it: parents at the left, children at the right.
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Graph, GraphNode } from "../api.ts";
import { Empty } from "../ui/basics.tsx";
import { StateMark, type Mark } from "../ui/icon.tsx";

const [WIDE, TALL, GAP_X, GAP_Y] = [156, 44, 32, 10];

interface Placed extends GraphNode {
  x: number;
  y: number;
}

function markOf(node: GraphNode): Mark {
  if (node.status === null) return "cancelled";
  if (node.status === "PENDING") return !node.hold ? "ready" : node.hold.startsWith("waits for") ? "waiting" : "held";
  return node.status.toLowerCase() as Mark;
}

/** Columns by level; within one, jobs stand as near as can be to those they are tied to. */
export function placed(graph: Graph): Placed[] {
  const levels = [...new Set(graph.nodes.map((node) => node.level))].sort((a, b) => a - b);
  const columns = levels.map((level) => graph.nodes.filter((node) => node.level === level));
  const tallest = Math.max(...columns.map((column) => column.length));
  const rank = new Map<number, number>();
  return columns.flatMap((column, index) => {
    const near = (node: GraphNode): number => {
      const ties = graph.edges.filter((edge) => edge.child === node.id).map((edge) => rank.get(edge.parent)).filter((at) => at !== undefined);
      return ties.length ? ties.reduce((sum, at) => sum + at, 0) / ties.length : node.id / 1e12;
    };
    const sorted = [...column].sort((a, b) => near(a) - near(b) || a.id - b.id);
    const above = ((tallest - column.length) * (TALL + GAP_Y)) / 2;
    return sorted.map((node, row) => {
      rank.set(node.id, row + (tallest - column.length) / 2);
      return { ...node, x: index * (WIDE + GAP_X), y: above + row * (TALL + GAP_Y) };
    });
  });
}

export function JobGraph({ graph, self }: { graph: Graph; self: number }): JSX.Element {
  const nodes = placed(graph);
  const view = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // Where not all of them fit, the one that the page is about is in the middle.
    const node = view.current?.querySelector<HTMLElement>("[aria-current]");
    if (node) view.current!.scrollTo(node.offsetLeft - (view.current!.clientWidth - WIDE) / 2, node.offsetTop - (view.current!.clientHeight - TALL) / 2);
  }, [self]);
  if (nodes.length === 0) return <Empty title="It is tied to no other job" />;
  const by_id = new Map(nodes.map((node) => [node.id, node]));
  const width = Math.max(...nodes.map((node) => node.x)) + WIDE;
  const height = Math.max(...nodes.map((node) => node.y)) + TALL;
  return (
    <>
      <div class="graph" ref={view} tabIndex={0} role="region" aria-label="Jobs that are tied to this one">
        <div class="graph-plane" style={{ width: `${width}px`, height: `${height}px` }}>
          <svg width={width} height={height} aria-hidden="true">
            {graph.edges.map(({ parent, child }) => {
              const from = by_id.get(parent);
              const to = by_id.get(child);
              if (!from || !to) return null;
              const [x1, y1, x2, y2] = [from.x + WIDE, from.y + TALL / 2, to.x, to.y + TALL / 2];
              const bend = Math.max(GAP_X, (x2 - x1) / 2);
              return <path key={`${parent} ${child}`} class={from.status === "COMPLETED" ? "is-done" : ""} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
            })}
          </svg>
          {nodes.map((node) => (
            <a
              key={node.id}
              href={node.key === null ? undefined : `jobs/${node.id}`}
              class={`graph-node is-${markOf(node)}`}
              aria-current={node.id === self ? "true" : undefined}
              title={node.hold ?? undefined}
              style={{ left: `${node.x}px`, top: `${node.y}px`, width: `${WIDE}px`, height: `${TALL}px` }}
            >
              <StateMark state={markOf(node)} />
              <span class="graph-words">
                <span class="cut">{node.key ?? "deleted"}</span>
                <span class="dim">{node.id} · {node.status === null ? "gone" : markOf(node)}</span>
              </span>
            </a>
          ))}
        </div>
      </div>
      {graph.more && <p class="dim">There are more than are drawn here.</p>}
    </>
  );
}
