SELECT name, value FROM windlass_sync_notes WHERE resource = ? ORDER BY name
