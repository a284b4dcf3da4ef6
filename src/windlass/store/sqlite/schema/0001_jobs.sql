-- The contract table: any program in any language may enqueue with one plain INSERT of
-- (job_key, payload, priority, max_attempts, status). Everything below status has a default.
CREATE TABLE background_service_jobs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_key          TEXT NOT NULL,
    payload          TEXT,
    status           TEXT NOT NULL DEFAULT 'PENDING',
    attempts         INTEGER DEFAULT 0,
    max_attempts     INTEGER DEFAULT 3,
    last_attempt_at  TEXT,
    last_error       TEXT,
    priority         INTEGER DEFAULT 0,
    created_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- Ours. Times are integers, microseconds since the epoch.
    queue            TEXT NOT NULL DEFAULT 'default',
    run_at           INTEGER,                     -- due on the wall clock; NULL: at once
    run_at_boot      INTEGER,                     -- a relative delay: due on the boot clock …
    boot_id          TEXT,                        -- … of this boot; after another, run_at decides
    hold             TEXT,                        -- why it may not run; NULL: it may
    alone            INTEGER NOT NULL DEFAULT 0,  -- a suspect: runs with nothing beside it
    crashes          INTEGER NOT NULL DEFAULT 0,
    lease_owner      INTEGER,                     -- windlass_dispatchers.id
    lease_token      INTEGER,                     -- random: only the current attempt may settle
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    idempotency_key  TEXT,
    tags             TEXT,                        -- JSON array
    meta             TEXT,                        -- JSON object
    timeout_us       INTEGER,
    progress         TEXT,                        -- JSON [done, total, message]
    result           TEXT,                        -- JSON
    finished_at      INTEGER,
    reason           TEXT                         -- why it ended, in one word, where it did not complete
);

-- Ready work in lanes: a claim walks only lanes it may open and never steps over what it may not run.
CREATE INDEX windlass_jobs_ready
    ON background_service_jobs (alone, queue, job_key, ifnull(priority, 0) DESC, id)
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL;

-- Not yet due, apart from the ready ones, once for each clock.
CREATE INDEX windlass_jobs_due_wall
    ON background_service_jobs (run_at)
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NULL AND hold IS NULL;
CREATE INDEX windlass_jobs_due_boot
    ON background_service_jobs (boot_id, run_at_boot)
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL;

CREATE INDEX windlass_jobs_held
    ON background_service_jobs (id)
    WHERE status = 'PENDING' AND hold IS NOT NULL;
CREATE INDEX windlass_jobs_running
    ON background_service_jobs (lease_owner)
    WHERE status = 'RUNNING';
-- Spelled out: for each row written, an IN with more than two values builds a table of them to look in, which
-- made enqueue and settle twice as slow, and up to twenty times where the heap was trimmed in between.
CREATE INDEX windlass_jobs_finished
    ON background_service_jobs (status, finished_at)
    WHERE status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED';
CREATE UNIQUE INDEX windlass_jobs_idempotency
    ON background_service_jobs (job_key, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- Rows that no transition of ours could have left: upkeep holds them with a reason, or mends them.
CREATE INDEX windlass_jobs_odd
    ON background_service_jobs (id)
    WHERE (status <> 'PENDING' AND status <> 'RUNNING' AND status <> 'COMPLETED' AND status <> 'FAILED'
           AND status <> 'CANCELLED')
       OR typeof(run_at) NOT IN ('integer', 'null')
       OR (run_at IS NOT NULL AND boot_id IS NOT NULL AND typeof(run_at_boot) <> 'integer')
       OR (status = 'RUNNING' AND lease_owner IS NULL)
       OR ((status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND typeof(finished_at) <> 'integer');

-- What went wrong: a first attempt that succeeds is told by the job's own row.
CREATE TABLE windlass_attempts (
    id          INTEGER PRIMARY KEY,
    job_id      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    outcome     TEXT NOT NULL,
    started_at  TEXT,
    finished_at INTEGER NOT NULL,
    error       TEXT
);
CREATE INDEX windlass_attempts_by_job ON windlass_attempts (job_id, id);

CREATE TABLE windlass_queues (
    queue       TEXT PRIMARY KEY,
    paused      INTEGER NOT NULL DEFAULT 0,
    concurrency INTEGER                           -- RUNNING at once, over all dispatchers; NULL: no limit
) WITHOUT ROWID;

-- Ids are never reused: a new dispatcher cannot inherit a dead one's jobs unseen.
CREATE TABLE windlass_dispatchers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    lock_file  TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    version    TEXT NOT NULL,
    mode       TEXT NOT NULL,                     -- 'service' or 'embedded'
    job_keys   TEXT                               -- JSON array of the keys it knows; NULL: every key
);

CREATE TABLE windlass_meta (
    name  TEXT PRIMARY KEY,
    value TEXT
) WITHOUT ROWID;
