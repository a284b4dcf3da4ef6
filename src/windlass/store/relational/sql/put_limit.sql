INSERT OR REPLACE INTO windlass_limits (kind, name, concurrency, rate, per_us, free_at, boot_id)
VALUES (?, ?, ?, ?, ?, ?, ?)
