-- A row by another program may hold anything.
SELECT next_at_boot, CASE WHEN jsonb_typeof(windlass_json(spec) -> 'flex') = 'number'
                     THEN trunc((windlass_json(spec) ->> 'flex')::numeric)::bigint END
FROM windlass_schedules
WHERE paused = 0 AND next_at IS NOT NULL AND boot_id = ?1 AND next_at_boot > ?2
ORDER BY next_at_boot LIMIT ?3
