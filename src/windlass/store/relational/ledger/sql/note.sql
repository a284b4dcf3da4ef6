INSERT INTO windlass_sync_notes (resource, name, value) VALUES (?, ?, ?)
ON CONFLICT (resource, name) DO UPDATE SET value = excluded.value
