import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function ServicePage(): JSX.Element {
  return <Page title="Service">{null}</Page>;
}
