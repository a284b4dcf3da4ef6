INSERT INTO windlass_sync_conflicts (resource, key, base, mine, theirs, version, raised_at)
VALUES (?, to_jsonb(?), ?, ?, ?, ?, ?)
ON CONFLICT (resource, key) DO UPDATE SET
    base = excluded.base, mine = excluded.mine, theirs = excluded.theirs, version = excluded.version,
    raised_at = excluded.raised_at
