-- One step of a loose scan: the first lane beyond a given one, found by a single seek.
SELECT alone, queue, job_key
FROM background_service_jobs INDEXED BY windlass_jobs_ready
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL
  AND (alone, queue, job_key) > (?, ?, ?)
ORDER BY alone, queue, job_key
LIMIT 1
