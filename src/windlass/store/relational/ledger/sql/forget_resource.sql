DELETE FROM windlass_sync_resources WHERE id = ?
