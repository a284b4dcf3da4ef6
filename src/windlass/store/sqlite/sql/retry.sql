-- Not where another unfinished job has its unique key by now.
UPDATE background_service_jobs
SET status = 'PENDING', run_at = NULL, run_at_boot = NULL, boot_id = NULL, hold = NULL, alone = 0, crashes = 0,
    cancel_requested = 0, finished_at = NULL, result = NULL, reason = NULL,
    max_attempts = max(ifnull(max_attempts, 3), ifnull(attempts, 0) + 1), updated_at = ?
WHERE id = ? AND (status IN ('FAILED', 'CANCELLED', 'COMPLETED')
                  OR (status = 'PENDING' AND (hold IS NOT NULL OR run_at IS NOT NULL)))
  AND NOT EXISTS (
    SELECT 1 FROM background_service_jobs AS other INDEXED BY windlass_jobs_unique
    WHERE other.unique_key = background_service_jobs.unique_key AND other.unique_key IS NOT NULL
      AND (other.status = 'PENDING' OR other.status = 'RUNNING') AND other.id <> background_service_jobs.id)
