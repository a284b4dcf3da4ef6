import type { JSX } from "preact";
import { Page } from "../ui/page.tsx";

export function AuditPage(): JSX.Element {
  return <Page title="Audit">{null}</Page>;
}
