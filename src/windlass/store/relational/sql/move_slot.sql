UPDATE windlass_limits SET free_at = ?, boot_id = ? WHERE kind = ? AND name = ?
