SELECT next_at, CASE WHEN jsonb_typeof(windlass_json(spec) -> 'flex') = 'number'
                THEN trunc((windlass_json(spec) ->> 'flex')::numeric)::bigint END
FROM windlass_schedules
WHERE paused = 0 AND next_at IS NOT NULL AND boot_id IS NULL AND next_at > ?1
ORDER BY next_at LIMIT ?2
