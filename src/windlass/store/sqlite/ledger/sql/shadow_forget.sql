DELETE FROM windlass_sync_shadows
WHERE resource = ?1 AND key IN (SELECT key FROM windlass_sync_shadows WHERE resource = ?1 LIMIT ?2)
