-- As claim_lane.sql, of several lanes in one statement.
SELECT head.*
FROM unnest(%(alones)s::bigint[], %(queues)s::text[], %(keys)s::text[], %(mosts)s::bigint[])
     AS lane (alone, queue, job_key, most)
CROSS JOIN LATERAL (
    SELECT NULL AS nothing, id, job_key, payload, attempts, max_attempts, timeout_us, queue, alone, crashes, priority,
           created_at ~ '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$' AS dated,
           constraints, updated_at
    FROM background_service_jobs AS job
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND job.alone = lane.alone AND job.queue = lane.queue COLLATE "C" AND job.job_key = lane.job_key COLLATE "C"
    ORDER BY coalesce(job.priority, 0) DESC, job.id
    LIMIT lane.most
    FOR UPDATE SKIP LOCKED) AS head
ORDER BY coalesce(head.priority, 0) DESC, head.id
