-- As insert.sql, for a job with a unique key: most have none, and must not pay for it.
INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta, unique_key)
VALUES (?, ?, 'PENDING', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
