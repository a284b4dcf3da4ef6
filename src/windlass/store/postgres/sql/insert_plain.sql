-- Without an idempotency key there is nothing that it could meet: to look for that costs a tenth of an insert.
INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta)
VALUES (%s, %s, 'PENDING', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
