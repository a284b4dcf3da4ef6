UPDATE windlass_schedules
SET job_key = :job_key, payload = :payload, spec = :spec, paused = :paused, next_at = :next_at,
    next_at_boot = :next_at_boot, boot_id = :boot_id, last_at = :last_at, last_job = :last_job, turn = turn + 1
WHERE name = :name AND turn = :turn
