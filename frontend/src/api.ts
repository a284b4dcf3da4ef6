// Written by python -m windlass.web.typescript from the API's shapes: do not edit.

/** What each route takes and gives. */
export interface Api {
  /** The actions done through the dashboard, newest first. */
  "GET /api/audit": {
    query: { action?: string; who?: string; limit?: number; after?: string };
    body: undefined;
    answer: AuditPage;
  };
  /** Jobs that match, a page of them. */
  "GET /api/jobs": {
    query: { status?: string; key?: string; queue?: string; tag?: string; unique?: string; q?: string; like?: string; held?: boolean; order?: "-created_at" | "-finished_at" | "-id" | "-priority" | "-updated_at" | "created_at" | "finished_at" | "id" | "priority" | "updated_at"; limit?: number; after?: string };
    body: undefined;
    answer: JobPage;
  };
  /** Enqueues a job by key. Its payload is checked where this program has the handler. */
  "POST /api/jobs": {
    query: undefined;
    body: NewJob;
    answer: Enqueued;
  };
  /** Job keys, queues or tags that begin as typed. */
  "GET /api/jobs/suggest": {
    query: { field: "key" | "queue" | "tag"; prefix?: string; limit?: number };
    body: undefined;
    answer: Suggestions;
  };
  /** A job with all that is known about it. */
  "GET /api/jobs/{job_id}": {
    query: undefined;
    body: undefined;
    answer: JobDetail;
  };
  /** Deletes a job that is not running, with its history. */
  "DELETE /api/jobs/{job_id}": {
    query: undefined;
    body: undefined;
    answer: Done;
  };
  /** What its handler logged, attempt by attempt: the newest lines of each. */
  "GET /api/jobs/{job_id}/logs": {
    query: undefined;
    body: undefined;
    answer: JobLogs;
  };
  /** Makes an ended, held or waiting job ready now, with at least one attempt left. */
  "POST /api/jobs/{job_id}/retry": {
    query: undefined;
    body: undefined;
    answer: Done;
  };
  /** Cancels a pending job, and those that wait for it; asks a running one to stop. */
  "POST /api/jobs/{job_id}/cancel": {
    query: undefined;
    body: undefined;
    answer: Done;
  };
  /** Enqueues a new job after the model of this one, edited; this one stays as it is. */
  "POST /api/jobs/{job_id}/copy": {
    query: undefined;
    body: JobCopy;
    answer: Enqueued;
  };
  /** Does one action to all jobs that match, a bounded part in each request; or counts them first. */
  "POST /api/jobs/bulk": {
    query: undefined;
    body: Bulk;
    answer: BulkDone;
  };
  /** How much work there is, how it went, what failed of late, and what has waited the longest. */
  "GET /api/overview": {
    query: { range?: "15m" | "1h" | "24h" | "6h" };
    body: undefined;
    answer: Overview;
  };
  /** All queues that hold jobs or are switched, and the limits of job keys. */
  "GET /api/queues": {
    query: undefined;
    body: undefined;
    answer: QueueList;
  };
  /** Starts no more jobs of this queue; what runs goes on. */
  "POST /api/queues/{name}/pause": {
    query: undefined;
    body: undefined;
    answer: QueueRow;
  };
  /** Starts its jobs again. */
  "POST /api/queues/{name}/resume": {
    query: undefined;
    body: undefined;
    answer: QueueRow;
  };
  /** Limits how many jobs of a queue run at once, and how often they start. */
  "PUT /api/queues/{name}/limits": {
    query: undefined;
    body: LimitChange;
    answer: QueueRow;
  };
  /** Limits how many jobs of a key run at once, and how often they start, in whatever queue. */
  "PUT /api/keys/{key}/limits": {
    query: undefined;
    body: LimitChange;
    answer: KeyLimit;
  };
  /** Forgets what was set for a key: what the program declares counts again. */
  "DELETE /api/keys/{key}/limits": {
    query: undefined;
    body: undefined;
    answer: LimitLifted;
  };
  /** All schedules by name, each with its last runs. */
  "GET /api/schedules": {
    query: undefined;
    body: undefined;
    answer: ScheduleList;
  };
  /** What all schedules that are not paused do on the next days, as the clocks of a zone count them. */
  "GET /api/calendar": {
    query: { days?: number; tz?: string };
    body: undefined;
    answer: Calendar;
  };
  /** A schedule with its next times, its last runs and the times that it missed. */
  "GET /api/schedules/{name}": {
    query: { days?: number; tz?: string };
    body: undefined;
    answer: ScheduleDetail;
  };
  /** Enqueues its job now, besides its rhythm. */
  "POST /api/schedules/{name}/run": {
    query: undefined;
    body: undefined;
    answer: ScheduleStarted;
  };
  /** Makes no jobs until it is resumed. */
  "POST /api/schedules/{name}/pause": {
    query: undefined;
    body: undefined;
    answer: ScheduleRow;
  };
  /** Goes on in its old rhythm; what was due meanwhile is not made up for. */
  "POST /api/schedules/{name}/resume": {
    query: undefined;
    body: undefined;
    answer: ScheduleRow;
  };
  /** How the file is, and its copies; or the server. */
  "GET /api/storage": {
    query: undefined;
    body: undefined;
    answer: Storage;
  };
  /** Makes a consistent copy beside the database, readable by its owner alone, while everything runs. */
  "POST /api/storage/backup": {
    query: undefined;
    body: undefined;
    answer: Backup;
  };
  /** How all synced tables stand, by name. */
  "GET /api/sync": {
    query: undefined;
    body: undefined;
    answer: SyncList;
  };
  /** A synced table, and the oldest of what waits in it. */
  "GET /api/sync/{resource}": {
    query: { limit?: number };
    body: undefined;
    answer: SyncDetail;
  };
  /** The oldest conflicts that wait for a person, all sides of each. */
  "GET /api/sync/{resource}/conflicts": {
    query: { limit?: number };
    body: undefined;
    answer: ConflictList;
  };
  /** The oldest changes that the remote rejected, or that failed too often, with what it said. */
  "GET /api/sync/{resource}/dead": {
    query: { limit?: number };
    body: undefined;
    answer: DeadList;
  };
  /** Asks the service to push and pull at once, also where it would have waited. */
  "POST /api/sync/{resource}/now": {
    query: undefined;
    body: undefined;
    answer: SyncStarted;
  };
  /** Neither pushes nor pulls until it is resumed; edits are still captured. */
  "POST /api/sync/{resource}/pause": {
    query: undefined;
    body: undefined;
    answer: SyncResource;
  };
  /** Goes on, and asks the remote at once. */
  "POST /api/sync/{resource}/resume": {
    query: undefined;
    body: undefined;
    answer: SyncResource;
  };
  /** Settles a conflict: by one side as a whole, column by column, or by deleting the row. */
  "POST /api/sync/conflicts/{id}/resolve": {
    query: undefined;
    body: Resolution;
    answer: PutRight;
  };
  /** Sends a dead letter again, as it is. */
  "POST /api/sync/dead/{id}/retry": {
    query: undefined;
    body: undefined;
    answer: PutRight;
  };
  /** Gives a dead letter up; the row stays as it is here, until it is edited again. */
  "POST /api/sync/dead/{id}/discard": {
    query: undefined;
    body: undefined;
    answer: PutRight;
  };
  /** Gives a dead letter up, and puts the row back to what the remote has. */
  "POST /api/sync/dead/{id}/revert": {
    query: undefined;
    body: undefined;
    answer: PutRight;
  };
  /** Changes columns of a rejected row here, and sends it again. */
  "POST /api/sync/dead/{id}/edit": {
    query: undefined;
    body: RowEdit;
    answer: PutRight;
  };
  /** Who looks, and at what. */
  "GET /api/session": {
    query: undefined;
    body: undefined;
    answer: Session;
  };
  /** How the background service is, and the end of its log. */
  "GET /api/service": {
    query: undefined;
    body: undefined;
    answer: ServiceState;
  };
  /** Starts the service in the background, and returns once it is ready. */
  "POST /api/service/start": {
    query: undefined;
    body: undefined;
    answer: ServiceState;
  };
  /** Asks the service to stop. Running jobs get its grace period: the answer does not wait for that. */
  "POST /api/service/stop": {
    query: undefined;
    body: undefined;
    answer: ServiceState;
  };
  /** Has the service load its program anew, and returns once that is ready. */
  "POST /api/service/restart": {
    query: undefined;
    body: undefined;
    answer: ServiceState;
  };
  /** Runs jobs in so many processes from now on, until the service is started again. */
  "PUT /api/service/isolates": {
    query: undefined;
    body: Scale;
    answer: ServiceState;
  };
  /** The job keys this program knows, with the JSON Schemas of their payloads. */
  "GET /api/handlers": {
    query: undefined;
    body: undefined;
    answer: Handlers;
  };
  /** All registered dispatchers with their processes and running jobs, the living first. */
  "GET /api/workers": {
    query: undefined;
    body: undefined;
    answer: Workers;
  };
  /** 200 where jobs can be written and are run; 503 with the reasons where not. */
  "GET /readyz": {
    query: undefined;
    body: undefined;
    answer: string;
  };
  /** All metrics, in Prometheus' text format. */
  "GET /metrics": {
    query: undefined;
    body: undefined;
    answer: string;
  };
}

/** One attempt: those that went wrong, and the present or last one. */
export interface AttemptRow {
  attempt: number;
  outcome: string;
  started_at: string | null;
  finished_at: string | null;
  error: string | null;
}

/** One action, whether or not it succeeded. */
export interface AuditEntry {
  id: number;
  at: string;
  who: string;
  action: string;
  subject: string | null;
  details: Record<string, unknown> | null;
  outcome: string;
}

/** Newest first. */
export interface AuditPage {
  entries: Array<AuditEntry>;
  next: string | null;
  command: string | null;
}

/** Which entries of the audit log. */
export interface AuditQuery {
  action?: string | null;
  who?: string | null;
  limit?: number;
  after?: string | null;
}

/** A copy of the database. */
export interface Backup {
  name: string;
  path: string;
  size_bytes: number;
  made_at: string;
}

/** One action on many jobs. Each request does a bounded part; repeat it with ``next`` of the answer. */
export interface Bulk {
  action: "cancel" | "delete" | "retry";
  filter: BulkFilter;
  preview?: boolean;
  after?: string | null;
}

/** How far it is. */
export interface BulkDone {
  action: "cancel" | "delete" | "retry";
  matching: number;
  matching_is_least: boolean;
  changed: number;
  next: string | null;
  command: string | null;
}

/** Which jobs an action is for: ``ids``, or all that match. At least one thing must be asked. */
export interface BulkFilter {
  ids?: Array<number> | null;
  status?: Array<JobStatus> | null;
  key?: string | null;
  queue?: string | null;
  tag?: string | null;
  unique?: string | null;
  q?: string | null;
  like?: string | null;
  held?: boolean | null;
  all?: boolean;
}

/** The runs to come of all schedules that are not paused, by day. */
export interface Calendar {
  tz: string;
  days: Array<CalendarDay>;
  commands: Array<Command>;
}

/** One day in the calendar's zone. */
export interface CalendarDay {
  day: string;
  begins_at: string;
  hours: number;
  changes: Array<ClockChange>;
  entries: Array<CalendarEntry>;
}

/** What a schedule does on one day. */
export interface CalendarEntry {
  schedule: string;
  count: number;
  more: boolean;
  times: Array<CalendarTime>;
}

/** One run of a schedule. */
export interface CalendarTime {
  at: string;
  clock: string;
  note: string | null;
}

/** A moment at which the clocks of a zone are changed. */
export interface ClockChange {
  at: string;
  tz: string;
  before: string;
  after: string;
  shift_s: number;
}

/** What does the same in a terminal. */
export interface Command {
  does: string;
  command: string;
}

/** The conflicts of a resource that wait for a person, oldest first. */
export interface ConflictList {
  conflicts: Array<SyncConflict>;
  total: number;
  commands: Array<Command>;
}

/** How many. Beyond a cap nobody counts on: then it is at least ``value``. */
export interface Count {
  value: number;
  is_least: boolean;
}

/** Jobs by status; the first three are the PENDING ones, by what they wait for. */
export interface Counts {
  ready: Count;
  scheduled: Count;
  held: Count;
  running: Count;
  completed: Count;
  failed: Count;
  cancelled: Count;
}

/** How far ahead, and whose days. */
export interface DaysQuery {
  days?: number;
  tz?: string | null;
}

/** The dead letters of a resource, oldest first. */
export interface DeadList {
  dead: Array<SyncDead>;
  total: number;
  commands: Array<Command>;
}

/** An action on one job, done; ``status`` is what it has now, None where it is deleted. */
export interface Done {
  id: number;
  status: JobStatus | null;
}

/** Of so many attempts; the rest is None where there was none. Exact to within 4 %. */
export interface Durations {
  count: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

/** What an enqueue did. */
export interface Enqueued {
  id: number;
  created: boolean;
  disposition: "appended" | "created" | "debounced" | "kept" | "replaced" | "updated";
  job: JobRow;
}

/** The answer to what was refused or failed. */
export interface ErrorAnswer {
  error: ErrorTold;
}

/** What went wrong, for programs and for people. */
export interface ErrorTold {
  code: string;
  message: string;
  way_out: string | null;
}

/** Jobs of one key that failed for good with errors that are alike, among the newest failures. */
export interface Failure {
  key: string;
  message: string;
  like: string;
  varies: boolean;
  count: number;
  last_at: string;
  last_job_id: number;
}

/** What a column becomes: one side's value, or one of your own. */
export interface FieldChoice {
  side?: "base" | "mine" | "theirs" | null;
  text?: string | null;
  null?: boolean;
}

/** What is well or not with the storage. */
export interface Finding {
  level: "note" | "ok" | "problem" | "warning";
  check: string;
  text: string;
  way_out: string | null;
}

/** A job among those that are tied to it. */
export interface Graph {
  nodes: Array<GraphNode>;
  edges: Array<GraphEdge>;
  more: boolean;
}

/** ``child`` waits for ``parent``. */
export interface GraphEdge {
  parent: number;
  child: number;
}

/** A job in the graph of whom it waits for and who waits for it. */
export interface GraphNode {
  id: number;
  key: string | null;
  status: JobStatus | null;
  hold: string | null;
  level: number;
}

/** One queue's or one job key's part of it. */
export interface Group {
  name: string;
  outcomes: Outcomes;
  wait: Durations;
  run: Durations;
}

/** A job key this program knows. */
export interface HandlerRow {
  key: string;
  title: string | null;
  summary: string | null;
  schema: Record<string, unknown>;
  queue: string;
  priority: number;
  max_attempts: number;
  timeout_s: number | null;
  tags: Array<string>;
  concurrency: number | null;
  rate: string | null;
  constraints: Record<string, unknown> | null;
  is_async: boolean;
}

/** What can be run from a form. */
export interface Handlers {
  handlers: Array<HandlerRow>;
  known: boolean;
  note: string | null;
  command: string;
}

/** A new job after the model of another; what is not given is as in that one. */
export interface JobCopy {
  payload?: Record<string, unknown> | null;
  payload_text?: string | null;
  queue?: string;
  priority?: number;
  max_attempts?: number;
  tags?: Array<string>;
  delay?: string | number | null;
}

/** All that is known about a job. */
export interface JobDetail {
  id: number;
  key: string;
  status: JobStatus;
  state: "cancelled" | "completed" | "failed" | "held" | "ready" | "retrying" | "running" | "scheduled" | "waiting";
  queue: string;
  priority: number;
  attempts: number;
  max_attempts: number;
  created_at: string;
  updated_at: string;
  run_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  tags: Array<string>;
  unique: string | null;
  hold: string | null;
  reason: string | null;
  error: string | null;
  progress: Progress | null;
  cancel_requested: boolean;
  payload: Record<string, unknown> | null;
  payload_text: string | null;
  result: unknown;
  result_text: string | null;
  last_error: string | null;
  meta: Record<string, unknown>;
  timeout_s: number | null;
  idempotency_key: string | null;
  in_line: boolean;
  waits_for: number | null;
  constraints: Record<string, unknown> | null;
  deadline: string | null;
  crashes: number;
  why: WhyRow;
  history: Array<AttemptRow>;
  lease: LeaseOwner | null;
  graph: Graph | null;
  can: Array<"cancel" | "copy" | "delete" | "retry">;
  known: boolean;
  commands: Array<Command>;
}

/** What is kept of what a job's handler logged. */
export interface JobLogs {
  lines: Array<LogRow>;
}

/** How a job is enqueued; what is not given is its handler's own, or the default. */
export interface JobOptions {
  queue?: string | null;
  priority?: number | null;
  delay?: string | number | null;
  run_at?: string | null;
  max_attempts?: number | null;
  timeout?: string | number | null;
  tags?: Array<string>;
  unique?: string | null;
  existing?: "append" | "append_or_replace" | "keep" | "replace" | "update";
  idempotency_key?: string | null;
  deadline?: string | null;
}

/** Jobs that match, and how many there are in all. */
export interface JobPage {
  jobs: Array<JobRow>;
  next: string | null;
  total: number;
  total_is_least: boolean;
  complete: boolean;
  command: string;
}

/** Which jobs, in which order, from where on. */
export interface JobQuery {
  status?: string | null;
  key?: string | null;
  queue?: string | null;
  tag?: string | null;
  unique?: string | null;
  q?: string | null;
  like?: string | null;
  held?: boolean | null;
  order?: "-created_at" | "-finished_at" | "-id" | "-priority" | "-updated_at" | "created_at" | "finished_at" | "id" | "priority" | "updated_at";
  limit?: number;
  after?: string | null;
}

/** A job as a line of a table. */
export interface JobRow {
  id: number;
  key: string;
  status: JobStatus;
  state: "cancelled" | "completed" | "failed" | "held" | "ready" | "retrying" | "running" | "scheduled" | "waiting";
  queue: string;
  priority: number;
  attempts: number;
  max_attempts: number;
  created_at: string;
  updated_at: string;
  run_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  tags: Array<string>;
  unique: string | null;
  hold: string | null;
  reason: string | null;
  error: string | null;
  progress: Progress | null;
  cancel_requested: boolean;
}

/** Where a job stands. *Scheduled*, *retrying*, *held* and *blocked* are reasons for PENDING. */
export type JobStatus = "CANCELLED" | "COMPLETED" | "FAILED" | "PENDING" | "RUNNING";

/** A limit in force for the jobs of one key, in whatever queue. */
export interface KeyLimit {
  key: string;
  concurrency: number | null;
  rate: string | null;
  running: number;
  declared: boolean;
}

/** The dispatcher that runs it. */
export interface LeaseOwner {
  dispatcher: number;
  host: string;
  pid: number;
  mode: string;
  alive: boolean;
}

/** What to limit from now on. None lifts the one, and what is not given stays. */
export interface LimitChange {
  concurrency?: number | null;
  rate?: string | null;
}

/** What was set is forgotten; a key is then under what the program declares. */
export interface LimitLifted {
  kind: "key" | "queue";
  name: string;
  lifted: boolean;
}

/** One line that its handler logged. */
export interface LogRow {
  attempt: number;
  number: number;
  at: string;
  level: string;
  logger: string;
  text: string;
}

/** A job to be enqueued by key. */
export interface NewJob {
  key: string;
  payload?: Record<string, unknown> | null;
  payload_text?: string | null;
  options?: JobOptions;
}

/** How many attempts ended how. */
export interface Outcomes {
  completed: number;
  failed: number;
  retried: number;
  snoozed: number;
  cancelled: number;
  crashed: number;
  other: number;
}

/** All that the first page shows. */
export interface Overview {
  at: string;
  range: "15m" | "1h" | "24h" | "6h";
  bucket_s: number;
  counts: Counts;
  outcomes: Outcomes;
  wait: Durations;
  run: Durations;
  per_s: number;
  series: Series;
  by_queue: Array<Group>;
  by_key: Array<Group>;
  failures: Array<Failure>;
  failures_looked_at: number;
  oldest: Array<Waiting>;
  commands: Array<string>;
}

/** How far back to look. */
export interface OverviewQuery {
  range?: "15m" | "1h" | "24h" | "6h";
}

/** A process of the service. */
export interface ProcessRow {
  pid: number;
  role: "dispatcher" | "isolate" | "supervisor";
  memory_bytes: number | null;
}

/** How far a running handler says it is. */
export interface Progress {
  done: number;
  total: number | null;
  message: string | null;
}

/** What waited for a person is settled here; the next push tells the remote. */
export interface PutRight {
  resource: string;
  key: string;
}

/** All queues that hold jobs or are switched, and what limits their jobs. */
export interface QueueList {
  queues: Array<QueueRow>;
  key_limits: Array<KeyLimit>;
  commands: Array<Command>;
}

/** A queue: its switches, its limits, and how much is in it. */
export interface QueueRow {
  queue: string;
  paused: boolean;
  concurrency: number | null;
  rate: string | null;
  ready: number;
  scheduled: number;
  held: number;
  running: number;
  is_least: boolean;
}

/** How to settle a conflict. What one side alone has changed is kept. */
export interface Resolution {
  choice: "delete" | "fields" | "mine" | "theirs";
  fields?: Record<string, FieldChoice>;
  seen?: string | null;
}

/** Columns that a rejected row gets before it is sent again: as of ``FieldChoice``; None: NULL. */
export interface RowEdit {
  columns: Record<string, string | null>;
}

/** A job that a worker runs now. */
export interface RunningJob {
  id: number;
  key: string;
  queue: string;
  attempt: number;
  started_at: string | null;
  progress: number | null;
}

/** In how many isolates jobs run from now on. */
export interface Scale {
  isolates: number;
}

/** A schedule with its times. */
export interface ScheduleDetail {
  schedule: ScheduleRow;
  payload: Record<string, unknown> | null;
  every_s: number | null;
  flex_s: number;
  missed_policy: "all" | "latest" | "skip";
  overlap: boolean;
  constraints: Record<string, unknown> | null;
  next: Array<ScheduleTime>;
  more: boolean;
  missed: Array<ScheduleTime>;
  missed_more: boolean;
  missed_since: string | null;
  changes: Array<ClockChange>;
  commands: Array<Command>;
}

/** All schedules, by name. */
export interface ScheduleList {
  schedules: Array<ScheduleRow>;
  commands: Array<Command>;
}

/** A schedule and its last runs. */
export interface ScheduleRow {
  name: string;
  key: string;
  rule: string;
  tz: string | null;
  paused: boolean;
  ended: boolean;
  next_at: string | null;
  last_at: string | null;
  last_job_id: number | null;
  problem: string | null;
  runs: Array<ScheduleRun>;
}

/** A job that a schedule made. */
export interface ScheduleRun {
  job_id: number;
  due_at: string;
  status: JobStatus;
  attempts: number;
  started_at: string | null;
  finished_at: string | null;
  late_s: number | null;
  run_s: number | null;
  error: string | null;
}

/** What running a schedule now did. */
export interface ScheduleStarted {
  job_id: number;
  created: boolean;
}

/** A nominal time of a schedule. */
export interface ScheduleTime {
  at: string;
  local: string;
  note: string | null;
}

/** Columns of equal length, oldest first; the last bucket is the present one, not yet full. */
export interface Series {
  at: Array<number>;
  completed: Array<number>;
  failed: Array<number>;
  retried: Array<number>;
  cancelled: Array<number>;
  wait_p50_ms: Array<number | null>;
  wait_p95_ms: Array<number | null>;
  wait_p99_ms: Array<number | null>;
  run_p50_ms: Array<number | null>;
  run_p95_ms: Array<number | null>;
  run_p99_ms: Array<number | null>;
}

/** A PostgreSQL server. */
export interface ServerState {
  version: string;
  connections: number;
  connections_most: number;
  skew_s: number;
  standbys: Array<string>;
  tables: Array<TableState>;
}

/** The background service. */
export interface ServiceState {
  running: boolean;
  state: "broken" | "ready" | "replacing" | "starting" | "stopped" | "stopping" | "unknown" | "waiting";
  pid: number | null;
  dispatcher: number | null;
  restarts: number;
  grace_s: number | null;
  last_error: string | null;
  log: string | null;
  log_tail: Array<string>;
  can_start: boolean;
  why_not: string | null;
  commands: Array<Command>;
}

/** Who looks, and at what. */
export interface Session {
  who: string;
  read_only: boolean;
  csrf: string;
  version: string;
  title: string;
  database: string;
  app: string | null;
  can_run_jobs: boolean;
  clock: string;
}

/** The file, its log, and the room around it; or the server. */
export interface Storage {
  path: string;
  server: ServerState | null;
  file_bytes: number;
  wal_bytes: number;
  free_bytes: number;
  file_system: string | null;
  sqlite: string;
  checkpointed_at: string | null;
  schema: string | null;
  findings: Array<Finding>;
  backups: Array<Backup>;
  commands: Array<Command>;
}

/** What is being typed. */
export interface SuggestQuery {
  field: "key" | "queue" | "tag";
  prefix?: string;
  limit?: number;
}

/** What it may become. */
export interface Suggestions {
  values: Array<string>;
}

/** Two edits of one row that wait for a person. */
export interface SyncConflict {
  id: string;
  resource: string;
  key: string;
  raised_at: string;
  seen: string;
  mine_deleted: boolean;
  theirs_deleted: boolean;
  fields: Array<SyncField>;
}

/** A local change that the remote rejected, or that failed too often. */
export interface SyncDead {
  id: string;
  resource: string;
  key: string;
  op: string;
  made_at: string;
  attempts: number;
  error: string;
  problem: unknown;
  explicit: boolean;
  deleted: boolean;
  fields: Array<SyncField>;
}

/** A synced table, and the oldest of what waits in it. */
export interface SyncDetail {
  resource: SyncResource;
  pending: Array<SyncPending>;
  quarantined: Array<SyncQuarantined>;
  faults: Array<string>;
  commands: Array<Command>;
}

/** A column on all sides of a conflict. None: that side has no such column, or no row. */
export interface SyncField {
  name: string;
  declared: string;
  key: boolean;
  base: SyncValue | null;
  mine: SyncValue | null;
  theirs: SyncValue | null;
  verdict: "contested" | "mine" | "same" | "theirs";
}

/** All synced tables of the program, by name. */
export interface SyncList {
  resources: Array<SyncResource>;
  undeclared: Array<string>;
  commands: Array<Command>;
}

/** A local change that the remote does not have yet. */
export interface SyncPending {
  key: string;
  op: string;
  columns: Array<string>;
  made_at: string;
  attempts: number;
  why: string;
}

/** A remote row that could not be written here. */
export interface SyncQuarantined {
  remote_id: string;
  reason: string;
  seen_at: string;
  document: string;
}

/** How a synced table stands. */
export interface SyncResource {
  resource: string;
  table: string;
  state: string;
  reason: string | null;
  since: string | null;
  until: string | null;
  paused: boolean;
  direction: "both" | "pull" | "push";
  every_s: number | null;
  policy: string;
  rows: number;
  pending: number;
  held: number;
  failed: number;
  conflicts: number;
  quarantined: number;
  oldest_pending: string | null;
  last_pull: string | null;
  last_push: string | null;
  last_error: string | null;
  sweep_refused: string | null;
  runs: Array<SyncRun>;
}

/** A push or a pull, as a job. */
export interface SyncRun {
  job_id: number;
  direction: "pull" | "push";
  status: JobStatus;
  at: string;
  run_s: number | null;
  error: string | null;
}

/** The jobs that push and pull now. */
export interface SyncStarted {
  job_ids: Array<number>;
}

/** A value of a column, as text: no number loses digits on its way. */
export interface SyncValue {
  kind: "blob" | "integer" | "null" | "real" | "text";
  text: string;
  size: number;
  whole: boolean;
}

/** A table of ours on a server, as its statistics have it. */
export interface TableState {
  name: string;
  live_rows: number;
  dead_rows: number;
  size_bytes: number;
}

/** A ready job that has waited long: the oldest of its queue and key. */
export interface Waiting {
  job_id: number;
  key: string;
  queue: string;
  waiting_since: string;
  ready: Count;
}

/** How much of what waits. */
export interface WaitingQuery {
  limit?: number;
}

/** Why it is not running: a code for programs, a sentence for people. */
export interface WhyRow {
  code: string;
  reason: string;
  until: string | null;
}

/** A registered dispatcher with its processes. */
export interface Worker {
  id: number;
  host: string;
  pid: number;
  mode: string;
  version: string;
  started_at: string;
  alive: boolean;
  here: boolean;
  job_keys: Array<string> | null;
  memory_bytes: number | null;
  processes: Array<ProcessRow>;
  running: number;
  jobs: Array<RunningJob>;
}

/** All dispatchers, the living first. */
export interface Workers {
  workers: Array<Worker>;
  running: number;
  commands: Array<Command>;
}
