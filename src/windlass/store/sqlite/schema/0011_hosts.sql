-- Many hosts. On one machine a dispatcher's lock file says whether it lives; from afar, its pulse on the database's clock.
ALTER TABLE windlass_dispatchers ADD COLUMN labels TEXT;      -- JSON array: what its machine has, such as gpu
ALTER TABLE windlass_dispatchers ADD COLUMN seen_at INTEGER;  -- its last pulse; NULL: its lock file tells

-- A queue that is pinned to a label is for the dispatchers that have it.
ALTER TABLE windlass_queues ADD COLUMN pin TEXT;              -- NULL: for all

-- Switches of hosts; one without a row has none.
CREATE TABLE windlass_hosts (
    host     TEXT PRIMARY KEY,
    paused   INTEGER NOT NULL DEFAULT 0,          -- 1: its dispatchers take nothing
    draining INTEGER NOT NULL DEFAULT 0           -- 1: and end when what runs has ended
) WITHOUT ROWID;
