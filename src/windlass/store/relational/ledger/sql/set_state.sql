UPDATE windlass_sync_resources SET state = ? WHERE id = ?
