UPDATE windlass_sync_resources
SET definition = ?, known_columns = ?, ids = ?, numeric_keys = ?, captured_at = NULL
WHERE id = ?
