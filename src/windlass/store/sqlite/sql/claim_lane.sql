SELECT -ifnull(priority, 0), id, job_key, payload, attempts, max_attempts, timeout_us, queue, alone, crashes, priority
FROM background_service_jobs INDEXED BY windlass_jobs_ready
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL
  AND alone = ? AND queue = ? AND job_key = ?
ORDER BY ifnull(priority, 0) DESC, id
LIMIT ?
