-- What became of the work, minute by minute: figures, which nobody's job depends on. A dispatcher writes its own rows
-- whole, in a commit that it makes anyway; after two days they are gone.
CREATE TABLE windlass_activity (
    minute    INTEGER NOT NULL,                   -- since the epoch, on the wall clock
    owner     INTEGER NOT NULL,                   -- windlass_dispatchers.id
    queue     TEXT NOT NULL,
    job_key   TEXT NOT NULL,
    completed INTEGER NOT NULL,                   -- attempts that ended so …
    failed    INTEGER NOT NULL,                   -- … for good
    retried   INTEGER NOT NULL,
    snoozed   INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    crashed   INTEGER NOT NULL,
    other     INTEGER NOT NULL,                   -- released or held: nobody's fault
    waits     BLOB,                               -- from ready to taken, as a sketch; NULL: nothing was measured
    runs      BLOB,                               -- from start to end
    PRIMARY KEY (minute, owner, queue, job_key)
) WITHOUT ROWID;

-- What people did through the dashboard, and who. Ids are never used again: a gap would be seen.
CREATE TABLE windlass_audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT,                                 -- what it was done to
    details TEXT,                                 -- JSON object, without secrets
    outcome TEXT NOT NULL                         -- 'ok', or the code of the error
);

-- The last runs of a schedule or of a synced table, among a million jobs: those jobs alone are in it.
CREATE INDEX windlass_jobs_runs
    ON background_service_jobs (unique_key)
    WHERE (unique_key >= 'schedule:' AND unique_key < 'schedule;')
       OR (unique_key >= 'windlass.sync.' AND unique_key < 'windlass.sync/');
