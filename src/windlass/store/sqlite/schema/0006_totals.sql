-- What was in windlass_activity and is older than two days, added up: so that whoever counts since the beginning never
-- sees a count fall.
CREATE TABLE windlass_activity_totals (
    queue     TEXT NOT NULL,
    job_key   TEXT NOT NULL,
    completed INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    retried   INTEGER NOT NULL,
    snoozed   INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    crashed   INTEGER NOT NULL,
    other     INTEGER NOT NULL,
    waits     BLOB,                               -- as the sketches there, but with eight bytes a bucket
    runs      BLOB,
    PRIMARY KEY (queue, job_key)
) WITHOUT ROWID;
