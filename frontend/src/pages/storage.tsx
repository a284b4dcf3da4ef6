import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function StoragePage(): JSX.Element {
  return <Page title="Storage">{null}</Page>;
}
