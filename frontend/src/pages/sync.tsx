import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function SyncPage(): JSX.Element {
  return <Page title="Sync">{null}</Page>;
}
