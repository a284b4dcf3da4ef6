INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
     unique_key, title, constraints, deadline, hold, waits_for, unique_next)
SELECT ?1, ?2, 'PENDING', ?3::bigint, ?4::bigint, ?5, ?6, ?7, ?8::bigint, ?9::bigint, ?10, ?11::bigint, ?12, ?13, ?14,
       ?15::text, ?16, ?17, ?18::bigint, ?19, ?20::bigint, ?21
WHERE NOT EXISTS (
    SELECT 1 FROM background_service_jobs
    WHERE unique_next = ?15::text AND unique_next IS NOT NULL AND status = 'PENDING')
ON CONFLICT DO NOTHING
