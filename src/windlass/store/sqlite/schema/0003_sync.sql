-- The contract table of sync: any program in any language may queue an operation with one plain INSERT of
-- (id, type, table_name, local_id, data, created_at, retry_count, status). Everything has a default.
CREATE TABLE sync_queue (
    id            TEXT DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4'
                                || substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2)
                                || '-' || hex(randomblob(6)))),
    type          TEXT,
    table_name    TEXT,
    local_id      TEXT,
    data          TEXT,                           -- JSON object
    created_at    TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    retry_count   INTEGER DEFAULT 0,
    status        TEXT DEFAULT 'pending',         -- or 'failed'; success deletes the row
    error_message TEXT,
    last_attempt  TEXT,
    -- Ours. Times are integers, microseconds since the epoch.
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    resource      INTEGER,                        -- windlass_sync_resources.id; NULL: no such resource yet
    key,                                          -- local_id as the table keeps it
    captured      INTEGER NOT NULL DEFAULT 0,     -- made by comparing; 0: to be sent as it was given
    mutation_id   TEXT,                           -- set: sent, or maybe sent, and resent as it is
    base_version  TEXT,
    due_at        INTEGER NOT NULL DEFAULT 0,
    conflicts     INTEGER NOT NULL DEFAULT 0,
    hold          TEXT,                           -- why it may not be sent; NULL: it may
    problem       TEXT                            -- the server's problem document, as JSON
);
CREATE UNIQUE INDEX windlass_queue_id ON sync_queue (id);
-- (Their conditions' columns are in the indexes below, or SQLite would look at each row to count them.)
-- A key's changes in their order: the first of them is the only one that may be sent.
CREATE INDEX windlass_queue_lane ON sync_queue (resource, key, seq);
CREATE INDEX windlass_queue_ready
    ON sync_queue (resource, (mutation_id IS NULL), seq, due_at, status, hold)
    WHERE status = 'pending' AND hold IS NULL;
CREATE INDEX windlass_queue_waiting
    ON sync_queue (resource, due_at)
    WHERE status = 'pending' AND hold IS NULL AND due_at > 0;
CREATE INDEX windlass_queue_held
    ON sync_queue (resource, seq, status, hold) WHERE status = 'pending' AND hold IS NOT NULL;
CREATE INDEX windlass_queue_failed ON sync_queue (resource, seq, status, hold) WHERE status = 'failed';
CREATE INDEX windlass_queue_strange ON sync_queue (table_name) WHERE resource IS NULL;

CREATE TABLE windlass_sync_resources (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE,
    table_name     TEXT NOT NULL UNIQUE COLLATE NOCASE,
    definition     TEXT NOT NULL,                 -- JSON: the table, with the columns that are synced
    known_columns  TEXT NOT NULL,                 -- JSON: all of its columns when the capture was installed
    ids            TEXT NOT NULL,
    numeric_keys   INTEGER NOT NULL,              -- a key that is written like an integer is one
    fence          INTEGER NOT NULL DEFAULT 0,    -- grows with every hold
    paused         INTEGER NOT NULL DEFAULT 0,
    captured_at    INTEGER,                       -- the schema_version when all rows were last known captured
    state          TEXT                           -- JSON: how far its pull has come
);

-- Thin, because every edit of a synced table pays for it. Its numbers must never be used again, since a look
-- remembers the last one; AUTOINCREMENT would cost another page a commit, so the highest row is kept (as one of
-- resource 0) when all are removed.
CREATE TABLE windlass_journal (
    seq      INTEGER PRIMARY KEY,
    resource INTEGER NOT NULL,
    key      NOT NULL,
    op       TEXT NOT NULL
);
CREATE INDEX windlass_journal_by_key ON windlass_journal (resource, key);

-- A row in here silences the triggers of its resource. Nobody ever commits one.
CREATE TABLE windlass_sync_silence (
    resource INTEGER PRIMARY KEY
);

-- With a rowid: a page of rows in any order is appended, and only the small index is filled in at random.
CREATE TABLE windlass_sync_shadows (
    resource   INTEGER NOT NULL,
    key        NOT NULL,
    row        TEXT NOT NULL,                     -- JSON
    version    TEXT,
    remote_id  TEXT,                              -- NULL: the key as text
    extra      TEXT,                              -- JSON
    generation INTEGER NOT NULL DEFAULT 0         -- the last complete enumeration that saw it
);
CREATE UNIQUE INDEX windlass_shadows_by_key ON windlass_sync_shadows (resource, key);
CREATE UNIQUE INDEX windlass_shadows_by_remote_id
    ON windlass_sync_shadows (resource, remote_id) WHERE remote_id IS NOT NULL;
CREATE INDEX windlass_shadows_by_generation ON windlass_sync_shadows (resource, generation);

CREATE TABLE windlass_sync_conflicts (
    resource  INTEGER NOT NULL,
    key       NOT NULL,
    base      TEXT,                               -- JSON; NULL: deleted
    mine      TEXT,
    theirs    TEXT,
    version   TEXT,
    raised_at INTEGER NOT NULL,
    PRIMARY KEY (resource, key)
) WITHOUT ROWID;

CREATE TABLE windlass_sync_quarantine (
    resource  INTEGER NOT NULL,
    remote_id TEXT NOT NULL,
    document  TEXT NOT NULL,
    reason    TEXT NOT NULL,
    seen_at   INTEGER NOT NULL,
    PRIMARY KEY (resource, remote_id)
) WITHOUT ROWID;

CREATE TABLE windlass_sync_arrivals (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    resource INTEGER NOT NULL,
    keys     TEXT NOT NULL                        -- JSON array: what one write brought
);
CREATE INDEX windlass_arrivals_by_resource ON windlass_sync_arrivals (resource, seq);

CREATE TABLE windlass_sync_origins (
    origin TEXT PRIMARY KEY,
    state  TEXT NOT NULL                          -- JSON
) WITHOUT ROWID;

CREATE TABLE windlass_sync_notes (
    resource INTEGER NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,                       -- JSON
    PRIMARY KEY (resource, name)
) WITHOUT ROWID;

-- What a plain INSERT left to us: its resource, its key as the table keeps it, and why it cannot be sent.
-- Its entry in the journal is what wakes the push.
CREATE TRIGGER windlass_queue_adopt AFTER INSERT ON sync_queue WHEN NEW.resource IS NULL
BEGIN
    UPDATE sync_queue SET
        id = coalesce(NEW.id, lower(hex(randomblob(16)))),
        created_at = coalesce(NEW.created_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        retry_count = CASE typeof(NEW.retry_count) WHEN 'integer' THEN NEW.retry_count ELSE 0 END,
        status = CASE lower(NEW.status) WHEN 'failed' THEN 'failed' ELSE 'pending' END,
        resource = (SELECT id FROM windlass_sync_resources WHERE table_name = NEW.table_name),
        key = CASE
            WHEN NEW.local_id IS NULL THEN coalesce(NEW.id, NEW.seq)
            WHEN CAST(CAST(NEW.local_id AS INTEGER) AS TEXT) = NEW.local_id
                AND (SELECT numeric_keys FROM windlass_sync_resources WHERE table_name = NEW.table_name)
            THEN CAST(NEW.local_id AS INTEGER)
            ELSE NEW.local_id
        END,
        hold = CASE
            WHEN NEW.hold IS NOT NULL THEN NEW.hold
            WHEN ifnull(NEW.type, '') = '' THEN 'type is missing: expected what is to be done, such as update'
            WHEN ifnull(lower(NEW.status), 'pending') NOT IN ('pending', 'failed')
            THEN 'status is not one that sync knows: expected pending'
            WHEN CASE typeof(NEW.data) WHEN 'null' THEN 0 WHEN 'text' THEN
                CASE WHEN json_valid(NEW.data) THEN json_type(NEW.data) <> 'object' ELSE 1 END ELSE 1 END
            THEN 'data is not a JSON object'
            WHEN NOT EXISTS (SELECT 1 FROM windlass_sync_resources WHERE table_name = NEW.table_name)
            THEN 'no synced table has this name'
        END
    WHERE seq = NEW.seq;
    INSERT INTO windlass_journal (resource, key, op)
        SELECT resource, key, 'explicit' FROM sync_queue WHERE seq = NEW.seq AND resource IS NOT NULL;
END;
