DELETE FROM windlass_sync_notes WHERE resource = ?
