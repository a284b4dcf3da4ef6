-- Edits that are sent together, sealed in one record: a row of the queue for each would cost more than all the
-- rest of a push. Only who holds the resource has one, and while it does the journal keeps the edits: so whoever
-- looks on counts them there. What is left of a push that ended early becomes changes of the queue with the next
-- hold. The arrays are of one length; what is said of each change is at its place.
CREATE TABLE windlass_sync_batches (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    resource   INTEGER NOT NULL,
    look       INTEGER NOT NULL,                  -- the journal's end when the rows were read
    size       INTEGER NOT NULL,                  -- how many changes
    sealed_at  INTEGER NOT NULL,
    mutations  TEXT NOT NULL,                     -- JSON: the mutation ids
    keys       TEXT NOT NULL,                     -- JSON
    operations TEXT NOT NULL,                     -- JSON
    versions   TEXT NOT NULL,                     -- JSON: the remote's versions that they were made upon
    data       TEXT NOT NULL                      -- JSON
);
CREATE INDEX windlass_batches_by_resource ON windlass_sync_batches (resource, number);
