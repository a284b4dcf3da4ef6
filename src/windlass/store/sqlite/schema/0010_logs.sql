-- What handlers logged while they ran, a row for what came within a second. It goes with its job, and of an attempt the
-- newest lines alone are kept.
CREATE TABLE windlass_logs (
    id      INTEGER PRIMARY KEY,
    job_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    token   INTEGER NOT NULL,                     -- the lease it ran under: an attempt that was let go runs again
    first   INTEGER NOT NULL,                     -- the number of its first line in that run, from 1
    count   INTEGER NOT NULL,                     -- how many lines
    bytes   INTEGER NOT NULL,                     -- of the next
    lines   TEXT NOT NULL                         -- JSON array of [time in µs, level, logger, text], without secrets
);
CREATE UNIQUE INDEX windlass_logs_by_run ON windlass_logs (job_id, attempt, token, first);
