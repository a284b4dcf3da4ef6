DELETE FROM windlass_sync_silence WHERE resource = ?
