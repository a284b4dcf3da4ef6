UPDATE background_service_jobs
SET status = 'PENDING', run_at = NULL, run_at_boot = NULL, boot_id = NULL, hold = NULL, alone = 0, crashes = 0,
    cancel_requested = 0, finished_at = NULL, result = NULL, reason = NULL,
    max_attempts = max(ifnull(max_attempts, 3), ifnull(attempts, 0) + 1), updated_at = ?
WHERE id = ? AND (status IN ('FAILED', 'CANCELLED', 'COMPLETED')
                  OR (status = 'PENDING' AND (hold IS NOT NULL OR run_at IS NOT NULL)))
