-- Not where another unfinished job has its unique key by now, nor what waits for other jobs. A deadline that is over counts no more.
UPDATE background_service_jobs AS job
SET status = 'PENDING', run_at = NULL, run_at_boot = NULL, boot_id = NULL, hold = NULL, alone = 0, crashes = 0,
    cancel_requested = 0, finished_at = NULL, result = NULL, reason = NULL,
    unique_key = coalesce(unique_next, unique_key), unique_next = NULL,
    deadline = CASE WHEN deadline <= ?3::bigint THEN NULL ELSE deadline END,
    max_attempts = greatest(coalesce(max_attempts, 3), coalesce(attempts, 0) + 1), updated_at = ?1
WHERE id = ?2 AND (status IN ('FAILED', 'CANCELLED', 'COMPLETED')
                  OR (status = 'PENDING' AND (hold IS NOT NULL OR run_at IS NOT NULL) AND coalesce(waits_for, 0) = 0))
  AND NOT EXISTS (
    SELECT 1 FROM background_service_jobs AS other
    WHERE other.unique_key = coalesce(job.unique_next, job.unique_key)
      AND other.unique_key IS NOT NULL
      AND (other.status = 'PENDING' OR other.status = 'RUNNING') AND other.id <> job.id)
