-- As insert.sql, for a job with what most have not: those must not pay for it.
INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
     unique_key, title, constraints, deadline, hold, waits_for, unique_next)
VALUES (?, ?, 'PENDING', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
