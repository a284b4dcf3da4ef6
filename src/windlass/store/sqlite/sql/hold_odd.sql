UPDATE background_service_jobs
SET status = 'PENDING', run_at = NULL, run_at_boot = NULL, boot_id = NULL, hold = ?, updated_at = ?
WHERE id = ?
