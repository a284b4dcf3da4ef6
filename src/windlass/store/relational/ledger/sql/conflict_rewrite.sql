UPDATE windlass_sync_conflicts
SET base = coalesce(?, base), mine = coalesce(?, mine), theirs = coalesce(?, theirs)
WHERE resource = ? AND key = ?
