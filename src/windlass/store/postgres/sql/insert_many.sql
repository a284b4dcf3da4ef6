INSERT INTO background_service_jobs
    (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue,
     run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
     unique_key, title, constraints, deadline, hold, waits_for, unique_next)
SELECT job_key, payload, 'PENDING', priority, max_attempts, created_at, updated_at, queue,
       run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
       unique_key, title, constraints, deadline, hold, waits_for, unique_next
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
            %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::text[])
     WITH ORDINALITY AS given (job_key, payload, priority, max_attempts, created_at, updated_at, queue,
                               run_at, run_at_boot, boot_id, timeout_us, idempotency_key, tags, meta,
                               unique_key, title, constraints, deadline, hold, waits_for, unique_next, place)
ORDER BY place
RETURNING id
