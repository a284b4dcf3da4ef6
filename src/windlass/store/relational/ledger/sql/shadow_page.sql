SELECT max(number) FROM (
    SELECT rowid AS number FROM windlass_sync_shadows WHERE resource = ? AND rowid > ? ORDER BY rowid LIMIT ?)
