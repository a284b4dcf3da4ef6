SELECT -ifnull(priority, 0), id, job_key, payload, attempts, max_attempts, timeout_us, queue, alone, crashes, priority,
       created_at GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9].[0-9][0-9][0-9]Z',
       constraints, updated_at
FROM background_service_jobs INDEXED BY windlass_jobs_ready
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
  AND alone = ? AND queue = ? AND job_key = ?
ORDER BY ifnull(priority, 0) DESC, id
LIMIT ?
