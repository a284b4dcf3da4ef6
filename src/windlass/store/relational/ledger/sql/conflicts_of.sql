SELECT key, base, mine, theirs, version, raised_at FROM windlass_sync_conflicts
WHERE resource = ? AND key IN (:keys)
