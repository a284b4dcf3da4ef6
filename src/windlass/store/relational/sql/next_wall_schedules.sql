SELECT next_at, CASE WHEN json_valid(spec) THEN json_extract(spec, '$.flex') END
FROM windlass_schedules INDEXED BY windlass_schedules_due_wall
WHERE NOT paused AND next_at IS NOT NULL AND boot_id IS NULL AND next_at > ?1
ORDER BY next_at LIMIT ?2
