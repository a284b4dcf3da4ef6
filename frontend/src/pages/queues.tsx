import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function QueuesPage(): JSX.Element {
  return <Page title="Queues">{null}</Page>;
}
