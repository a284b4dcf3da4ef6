SELECT state FROM windlass_sync_origins WHERE origin = ?
