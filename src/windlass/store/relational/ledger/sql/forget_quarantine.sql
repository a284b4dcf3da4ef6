DELETE FROM windlass_sync_quarantine WHERE resource = ?
