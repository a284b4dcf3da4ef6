DELETE FROM windlass_sync_shadows
WHERE (resource, key) IN (SELECT resource, key FROM windlass_sync_shadows WHERE resource = ? LIMIT ?)
