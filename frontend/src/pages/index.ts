// Which page stands at which address.
import type { ComponentType } from "preact";
import { AuditPage } from "./audit.tsx";
import { JobPage } from "./job.tsx";
import { JobsPage } from "./jobs.tsx";
import { OverviewPage } from "./overview.tsx";
import { QueuesPage } from "./queues.tsx";
import { RunPage } from "./run.tsx";
import { SchedulesPage } from "./schedules.tsx";
import { ServicePage } from "./service.tsx";
import { StoragePage } from "./storage.tsx";
import { SyncPage } from "./sync.tsx";
import { WorkersPage } from "./workers.tsx";

/** The words of a pattern (`:id`) are the component's properties. */
export const pages: readonly [string, ComponentType<any>][] = [
  ["", OverviewPage],
  ["jobs", JobsPage],
  ["jobs/:id", JobPage],
  ["run", RunPage],
  ["queues", QueuesPage],
  ["schedules", SchedulesPage],
  ["schedules/:name", SchedulesPage],
  ["sync", SyncPage],
  ["sync/:resource", SyncPage],
  ["workers", WorkersPage],
  ["storage", StoragePage],
  ["service", ServicePage],
  ["audit", AuditPage],
];
