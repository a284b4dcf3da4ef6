SELECT pg_current_snapshot()::text,
    EXISTS (SELECT 1 FROM sync_queue WHERE resource = :resource),
    EXISTS (SELECT 1 FROM windlass_sync_conflicts WHERE resource = :resource)
