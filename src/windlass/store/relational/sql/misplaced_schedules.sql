SELECT name, turn
FROM windlass_schedules
WHERE boot_id = ?1 AND next_at IS NOT NULL AND abs(next_at - next_at_boot - ?2) >= ?3
