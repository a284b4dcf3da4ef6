INSERT INTO windlass_limits (kind, name, concurrency, rate, per_us, free_at, boot_id)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE
SET concurrency = excluded.concurrency, rate = excluded.rate, per_us = excluded.per_us, free_at = excluded.free_at,
    boot_id = excluded.boot_id
