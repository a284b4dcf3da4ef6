SELECT name FROM windlass_sync_resources AS r
WHERE EXISTS (SELECT 1 FROM windlass_journal WHERE resource = r.id)
ORDER BY id
