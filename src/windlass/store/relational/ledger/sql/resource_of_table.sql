SELECT name FROM windlass_sync_resources WHERE table_name = ? AND name <> ?
