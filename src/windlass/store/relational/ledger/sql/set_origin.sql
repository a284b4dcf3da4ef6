INSERT INTO windlass_sync_origins (origin, state) VALUES (?, ?)
ON CONFLICT (origin) DO UPDATE SET state = excluded.state
