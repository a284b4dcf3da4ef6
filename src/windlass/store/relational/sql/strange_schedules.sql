SELECT * FROM (
    SELECT name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn
    FROM windlass_schedules INDEXED BY windlass_schedules_due
    WHERE NOT paused AND next_at IS NOT NULL AND boot_id < ?1)
UNION ALL
SELECT * FROM (
    SELECT name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn
    FROM windlass_schedules INDEXED BY windlass_schedules_due
    WHERE NOT paused AND next_at IS NOT NULL AND boot_id > ?1)
