SELECT key FROM windlass_sync_shadows
WHERE resource = ? AND key > ? AND generation < ?
ORDER BY key
LIMIT ?
