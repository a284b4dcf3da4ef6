-- At most one unfinished job has a unique key, whatever its job key. The condition is spelled out, and begins with
-- what most rows fail at once: it is evaluated for every row written (see windlass_jobs_finished).
ALTER TABLE background_service_jobs ADD COLUMN unique_key TEXT;
CREATE UNIQUE INDEX windlass_jobs_unique
    ON background_service_jobs (unique_key)
    WHERE unique_key IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING');

CREATE TABLE windlass_schedules (
    name         TEXT PRIMARY KEY,
    job_key      TEXT NOT NULL,
    payload      TEXT,                            -- a JSON object; NULL: none
    spec         TEXT NOT NULL,                   -- JSON: when, such as {"every": microseconds}
    paused       INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER,                         -- due on the wall clock; NULL: never again
    next_at_boot INTEGER,                         -- an interval follows elapsed time: due on the boot clock …
    boot_id      TEXT,                            -- … of this boot; after another, next_at decides
    last_at      INTEGER,                         -- the nominal time of its latest run; NULL: none yet
    last_job     INTEGER,                         -- background_service_jobs.id
    turn         INTEGER NOT NULL DEFAULT 0       -- counts its changes: who acts on an older one acts no more
) WITHOUT ROWID;
CREATE INDEX windlass_schedules_due
    ON windlass_schedules (boot_id, next_at_boot)
    WHERE NOT paused AND next_at IS NOT NULL;

-- What was told, and is not over: of one subject nobody is told twice.
CREATE TABLE windlass_notifications (
    subject TEXT PRIMARY KEY,
    event   TEXT NOT NULL,                        -- the kind of event, such as SyncFailed
    fields  TEXT NOT NULL,                        -- JSON object: what it says
    told_at INTEGER NOT NULL,
    times   INTEGER NOT NULL DEFAULT 1            -- how often it came, the first included
) WITHOUT ROWID;
