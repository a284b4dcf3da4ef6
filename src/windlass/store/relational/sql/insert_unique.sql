-- As insert_more.sql, where nobody has the unique key and nobody is in line for it. One statement, as one that writes
-- takes the write lock before it looks.
INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
     unique_key, title, constraints, deadline, hold, waits_for, unique_next)
SELECT ?1, ?2, 'PENDING', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21
WHERE NOT EXISTS (
    SELECT 1 FROM background_service_jobs INDEXED BY windlass_jobs_unique_next
    WHERE unique_next = ?15 AND unique_next IS NOT NULL AND status = 'PENDING')
ON CONFLICT DO NOTHING
