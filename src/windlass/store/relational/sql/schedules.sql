-- For people, who want to see all of them.
SELECT name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn
FROM windlass_schedules ORDER BY name
