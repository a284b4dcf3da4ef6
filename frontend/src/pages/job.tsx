import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function JobPage(): JSX.Element {
  return <Page title="Job">{null}</Page>;
}
