DELETE FROM windlass_sync_conflicts WHERE resource = ?
