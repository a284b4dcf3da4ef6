-- Conditions, deadlines, flows and limits. NULL in all of these is a plain job, which pays nothing for them.
ALTER TABLE background_service_jobs ADD COLUMN constraints TEXT; -- canonical JSON; NULL: nothing must hold
ALTER TABLE background_service_jobs ADD COLUMN deadline INTEGER; -- to have ended by, on the wall clock
ALTER TABLE background_service_jobs ADD COLUMN title TEXT;       -- what people read while it runs
ALTER TABLE background_service_jobs ADD COLUMN waits_for INTEGER; -- parents that have not completed; NULL: it has none
ALTER TABLE background_service_jobs ADD COLUMN unique_next TEXT; -- the unique key it takes when it is released

-- What has no conditions is found as before. What has some is in lanes of its own: one for each set of them, which is
-- opened while they hold. So nothing is written when a condition changes.
DROP INDEX windlass_jobs_ready;
CREATE INDEX windlass_jobs_ready
    ON background_service_jobs (alone, queue, job_key, ifnull(priority, 0) DESC, id)
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL;
CREATE INDEX windlass_jobs_conditioned
    ON background_service_jobs (alone, queue, job_key, constraints, ifnull(priority, 0) DESC, id)
    WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL;

CREATE INDEX windlass_jobs_deadline
    ON background_service_jobs (deadline)
    WHERE deadline IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING');
CREATE INDEX windlass_jobs_unique_next
    ON background_service_jobs (unique_next, id)
    WHERE unique_next IS NOT NULL AND status = 'PENDING';

-- Who waits for whom. A child is held until all its parents have completed; it may then read their results.
CREATE TABLE windlass_dependencies (
    parent   INTEGER NOT NULL,
    child    INTEGER NOT NULL,
    position INTEGER NOT NULL,                    -- of the parent among those of the child, from 0
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX windlass_dependencies_by_child ON windlass_dependencies (child, position);

-- Limits over all dispatchers, for a queue or a job key.
CREATE TABLE windlass_limits (
    kind        TEXT NOT NULL,                    -- 'queue', 'key', or 'declared' by a program for a key
    name        TEXT NOT NULL,
    concurrency INTEGER,                          -- RUNNING at once; NULL: no limit
    rate        INTEGER,                          -- starts within each span of …
    per_us      INTEGER,                          -- … so many microseconds; NULL: no limit
    free_at     INTEGER,                          -- when the next may start, on the boot clock …
    boot_id     TEXT,                             -- … of this boot
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- What a dispatcher reads of its device, for whoever asks why a job waits.
CREATE TABLE windlass_devices (
    owner   INTEGER PRIMARY KEY,                  -- windlass_dispatchers.id
    state   TEXT NOT NULL,                        -- JSON object: the facts, each with its time
    read_at INTEGER NOT NULL
);

-- Schedules that go by the wall clock, such as cron: boot_id and next_at_boot are NULL.
CREATE INDEX windlass_schedules_due_wall
    ON windlass_schedules (next_at)
    WHERE NOT paused AND next_at IS NOT NULL AND boot_id IS NULL;
