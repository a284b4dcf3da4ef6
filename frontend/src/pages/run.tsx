import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function RunPage(): JSX.Element {
  return <Page title="Run">{null}</Page>;
}
