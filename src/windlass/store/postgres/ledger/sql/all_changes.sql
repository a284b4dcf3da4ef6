SELECT coalesce((SELECT name FROM windlass_sync_resources AS r WHERE r.id = q.resource), ''), :columns
FROM sync_queue AS q
WHERE ?::text IS NULL OR status = ?
ORDER BY seq
LIMIT ?
