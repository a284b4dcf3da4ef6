INSERT INTO windlass_devices (owner, state, read_at) VALUES (?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET state = excluded.state, read_at = excluded.read_at
