SELECT ifnull((SELECT max(seq) FROM windlass_journal), 0),
    EXISTS (SELECT 1 FROM sync_queue WHERE resource = :resource),
    EXISTS (SELECT 1 FROM windlass_sync_conflicts WHERE resource = :resource)
