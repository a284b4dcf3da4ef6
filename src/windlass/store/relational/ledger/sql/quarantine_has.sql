SELECT 1 FROM windlass_sync_quarantine WHERE resource = ? LIMIT 1
