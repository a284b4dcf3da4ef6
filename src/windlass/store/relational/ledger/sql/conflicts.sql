SELECT r.name, c.key, base, mine, theirs, version, raised_at
FROM windlass_sync_conflicts AS c JOIN windlass_sync_resources AS r ON r.id = c.resource
WHERE :resource IS NULL OR c.resource = :resource
ORDER BY raised_at
LIMIT :limit
