SELECT key FROM windlass_sync_shadows
WHERE resource = ? AND generation < ?
ORDER BY key
LIMIT ?
