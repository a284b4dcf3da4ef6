import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function OverviewPage(): JSX.Element {
  return <Page title="Overview">{null}</Page>;
}
