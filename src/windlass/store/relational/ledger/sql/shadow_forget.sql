DELETE FROM windlass_sync_shadows
WHERE rowid IN (SELECT rowid FROM windlass_sync_shadows WHERE resource = ? LIMIT ?)
