INSERT INTO windlass_schedules
    (name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job)
VALUES (:name, :job_key, :payload, :spec, :paused, :next_at, :next_at_boot, :boot_id, :last_at, :last_job)
ON CONFLICT (name) DO NOTHING
