SELECT name FROM windlass_sync_resources ORDER BY id
