-- windlass_activity holds the last minutes only. What is older has been moved on, added up over all dispatchers: into spans
-- of one, five and fifteen minutes, each of them whole in itself, and into the totals, all in the commit that removes it.
CREATE TABLE windlass_activity_spans (
    minutes   INTEGER NOT NULL,                   -- how long a span is: 1, 5 or 15
    minute    INTEGER NOT NULL,                   -- its first one, since the epoch
    queue     TEXT NOT NULL,
    job_key   TEXT NOT NULL,
    completed INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    retried   INTEGER NOT NULL,
    snoozed   INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    crashed   INTEGER NOT NULL,
    other     INTEGER NOT NULL,
    waits     BLOB,
    runs      BLOB,
    PRIMARY KEY (minutes, minute, queue, job_key)
) WITHOUT ROWID;
