SELECT next_at_boot FROM windlass_schedules INDEXED BY windlass_schedules_due
WHERE NOT paused AND next_at IS NOT NULL AND boot_id = ?1 AND next_at_boot > ?2
ORDER BY next_at_boot LIMIT 1
