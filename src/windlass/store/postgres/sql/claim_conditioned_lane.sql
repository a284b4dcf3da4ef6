-- As claim_lane.sql. What was enqueued after ?5 (NULL: nothing) waits for something that has not happened since.
SELECT NULL, id, job_key, payload, attempts, max_attempts, timeout_us, queue, alone, crashes, priority,
       created_at ~ '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$',
       constraints, updated_at
FROM background_service_jobs
WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
  AND alone = ?1 AND queue = ?2 AND job_key = ?3 AND constraints = ?4
  AND (?5::text IS NULL OR created_at <= ?5::text)
ORDER BY coalesce(priority, 0) DESC, id
LIMIT ?6
FOR UPDATE SKIP LOCKED
