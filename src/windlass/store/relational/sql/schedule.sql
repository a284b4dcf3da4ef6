SELECT name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn
FROM windlass_schedules WHERE name = ?
