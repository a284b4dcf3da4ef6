export interface OverviewQuery {
  range?: "15m" | "1h" | "24h" | "6h";
}

export interface Count {
  value: number;
  is_least: boolean;
}

export interface Counts {
  ready: Count;
  scheduled: Count;
  held: Count;
  running: Count;
  completed: Count;
  failed: Count;
  cancelled: Count;
}

export interface Outcomes {
  completed: number;
  failed: number;
  retried: number;
  snoozed: number;
  cancelled: number;
  crashed: number;
  other: number;
}

export interface Durations {
  count: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

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

export interface Group {
  name: string;
  outcomes: Outcomes;
  wait: Durations;
  run: Durations;
}

export interface Failure {
  key: string;
  message: string;
  count: number;
  last_at: string;
  last_job_id: number;
}

export interface Waiting {
  job_id: number;
  key: string;
  queue: string;
  waiting_since: string;
  waited_ms: number;
  ready: Count;
}

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

export interface Command {
  does: string;
  command: string;
}

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

export type JobStatus = "CANCELLED" | "COMPLETED" | "FAILED" | "PENDING" | "RUNNING";

export interface Progress {
  done: number;
  total: number | null;
  message: string | null;
}

export interface JobQuery {
  status?: string | null;
  key?: string | null;
  queue?: string | null;
  tag?: string | null;
  unique?: string | null;
  q?: string | null;
  held?: boolean | null;
  order?: "-created_at" | "-finished_at" | "-id" | "-priority" | "-updated_at" | "created_at" | "finished_at" | "id" | "priority" | "updated_at";
  limit?: number;
  after?: string | null;
}

export interface JobPage {
  jobs: Array<JobRow>;
  next: string | null;
  total: number;
  total_is_least: boolean;
  command: string;
}

export interface SuggestQuery {
  field: "key" | "queue" | "tag";
  prefix?: string;
  limit?: number;
}

export interface Suggestions {
  values: Array<string>;
}

export interface AttemptRow {
  attempt: number;
  outcome: string;
  started_at: string | null;
  finished_at: string | null;
  error: string | null;
}

export interface GraphNode {
  id: number;
  key: string | null;
  status: JobStatus | null;
  hold: string | null;
  level: number;
}

export interface GraphEdge {
  parent: number;
  child: number;
}

export interface Graph {
  nodes: Array<GraphNode>;
  edges: Array<GraphEdge>;
  more: boolean;
}

export interface WhyRow {
  code: string;
  reason: string;
  until: string | null;
}

export interface LeaseOwner {
  dispatcher: number;
  host: string;
  pid: number;
  mode: string;
  alive: boolean;
}

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

export interface NewJob {
  key: string;
  payload?: Record<string, unknown> | null;
  payload_text?: string | null;
  options?: JobOptions;
}

export interface JobCopy {
  payload?: Record<string, unknown> | null;
  payload_text?: string | null;
  queue?: string;
  priority?: number;
  max_attempts?: number;
  tags?: Array<string>;
  delay?: string | number | null;
}

export interface Enqueued {
  id: number;
  created: boolean;
  disposition: "appended" | "created" | "debounced" | "kept" | "replaced" | "updated";
  job: JobRow;
}

export interface Done {
  id: number;
  status: JobStatus | null;
}

export interface BulkFilter {
  ids?: Array<number> | null;
  status?: Array<JobStatus> | null;
  key?: string | null;
  queue?: string | null;
  tag?: string | null;
  unique?: string | null;
  q?: string | null;
  held?: boolean | null;
  all?: boolean;
}

export interface Bulk {
  action: "cancel" | "delete" | "retry";
  filter: BulkFilter;
  preview?: boolean;
  after?: string | null;
}

export interface BulkDone {
  action: "cancel" | "delete" | "retry";
  matching: number;
  matching_is_least: boolean;
  changed: number;
  next: string | null;
  command: string | null;
}

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

export interface Scale {
  isolates: number;
}

export interface ProcessRow {
  pid: number;
  role: "dispatcher" | "isolate" | "supervisor";
  memory_bytes: number | null;
}

export interface RunningJob {
  id: number;
  key: string;
  queue: string;
  attempt: number;
  started_at: string | null;
  progress: number | null;
}

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

export interface Workers {
  workers: Array<Worker>;
  running: number;
  commands: Array<Command>;
}

export interface Finding {
  level: "note" | "ok" | "problem" | "warning";
  check: string;
  text: string;
  way_out: string | null;
}

export interface Backup {
  name: string;
  path: string;
  size_bytes: number;
  made_at: string;
}

export interface Storage {
  path: string;
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

export interface Handlers {
  handlers: Array<HandlerRow>;
  known: boolean;
  note: string | null;
  command: string;
}

export interface AuditQuery {
  action?: string | null;
  who?: string | null;
  limit?: number;
  after?: string | null;
}

export interface AuditEntry {
  id: number;
  at: string;
  who: string;
  action: string;
  subject: string | null;
  details: Record<string, unknown> | null;
  outcome: string;
}

export interface AuditPage {
  entries: Array<AuditEntry>;
  next: string | null;
  command: string | null;
}

export interface QueueRow {
  queue: string;
  paused: boolean;
  concurrency: number | null;
  rate: string | null;
  ready: number;
  scheduled: number;
  held: number;
  running: number;
}

export interface KeyLimit {
  key: string;
  concurrency: number | null;
  rate: string | null;
  running: number;
  declared: boolean;
}

export interface QueueList {
  queues: Array<QueueRow>;
  key_limits: Array<KeyLimit>;
  commands: Array<Command>;
}

export interface LimitChange {
  concurrency: number | null;
  rate: string | null;
}

export interface LimitLifted {
  kind: "key" | "queue";
  name: string;
  lifted: boolean;
}

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

export interface ScheduleList {
  schedules: Array<ScheduleRow>;
  commands: Array<Command>;
}

export interface ScheduleTime {
  at: string;
  local: string;
  note: string | null;
}

export interface ClockChange {
  at: string;
  tz: string;
  before: string;
  after: string;
  shift_s: number;
}

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

export interface DaysQuery {
  days?: number;
  tz?: string | null;
}

export interface CalendarTime {
  at: string;
  clock: string;
  note: string | null;
}

export interface CalendarEntry {
  schedule: string;
  count: number;
  more: boolean;
  times: Array<CalendarTime>;
}

export interface CalendarDay {
  day: string;
  begins_at: string;
  hours: number;
  changes: Array<ClockChange>;
  entries: Array<CalendarEntry>;
}

export interface Calendar {
  tz: string;
  days: Array<CalendarDay>;
  commands: Array<Command>;
}

export interface ScheduleStarted {
  job_id: number;
  created: boolean;
}

export interface SyncRun {
  job_id: number;
  direction: "pull" | "push";
  status: JobStatus;
  at: string;
  run_s: number | null;
  error: string | null;
}

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

export interface SyncList {
  resources: Array<SyncResource>;
  undeclared: Array<string>;
  commands: Array<Command>;
}

export interface SyncPending {
  key: string;
  op: string;
  columns: Array<string>;
  made_at: string;
  attempts: number;
  why: string;
}

export interface SyncQuarantined {
  remote_id: string;
  reason: string;
  seen_at: string;
  document: string;
}

export interface SyncDetail {
  resource: SyncResource;
  pending: Array<SyncPending>;
  quarantined: Array<SyncQuarantined>;
  faults: Array<string>;
  commands: Array<Command>;
}

export interface SyncValue {
  kind: "blob" | "integer" | "null" | "real" | "text";
  text: string;
  size: number;
  whole: boolean;
}

export interface SyncField {
  name: string;
  declared: string;
  key: boolean;
  base: SyncValue | null;
  mine: SyncValue | null;
  theirs: SyncValue | null;
  verdict: "contested" | "mine" | "same" | "theirs";
}

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

export interface ConflictList {
  conflicts: Array<SyncConflict>;
  total: number;
  commands: Array<Command>;
}

export interface FieldChoice {
  side: "base" | "mine" | "theirs" | null;
  text: string | null;
  null: boolean;
}

export interface Resolution {
  choice: "delete" | "fields" | "mine" | "theirs";
  fields: Record<string, FieldChoice>;
  seen: string | null;
}

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

export interface DeadList {
  dead: Array<SyncDead>;
  total: number;
  commands: Array<Command>;
}

export interface RowEdit {
  columns: Record<string, string | null>;
}

export interface SyncStarted {
  job_ids: Array<number>;
}

export interface PutRight {
  resource: string;
  key: string;
}

