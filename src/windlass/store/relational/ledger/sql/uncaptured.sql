UPDATE windlass_sync_resources SET captured_at = NULL WHERE id = ?
