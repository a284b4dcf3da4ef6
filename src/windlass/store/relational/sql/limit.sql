SELECT concurrency, rate, per_us, free_at, boot_id FROM windlass_limits WHERE kind = ? AND name = ?
