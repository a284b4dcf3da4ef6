UPDATE windlass_sync_resources SET paused = ? WHERE id = ?
