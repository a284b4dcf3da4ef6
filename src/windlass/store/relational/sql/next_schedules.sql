-- A row by another program may hold anything.
SELECT next_at_boot, CASE WHEN json_valid(spec) THEN json_extract(spec, '$.flex') END
FROM windlass_schedules INDEXED BY windlass_schedules_due
WHERE NOT paused AND next_at IS NOT NULL AND boot_id = ?1 AND next_at_boot > ?2
ORDER BY next_at_boot LIMIT ?3
