SELECT s.key, s.row FROM windlass_sync_shadows AS s
WHERE s.resource = ?1 AND s.key IN (
    SELECT key FROM sync_queue WHERE resource = ?1 AND type = 'delete' AND captured = 1
    UNION SELECT key FROM windlass_journal WHERE resource = ?1)
