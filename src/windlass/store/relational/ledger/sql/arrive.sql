INSERT INTO windlass_sync_arrivals (resource, keys) VALUES (?, ?)
