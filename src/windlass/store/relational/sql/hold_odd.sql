-- A status that was none of ours stood in nobody's way: its unique key may be another's by now.
UPDATE background_service_jobs
SET unique_key = iif(status = 'PENDING' OR status = 'RUNNING', unique_key, NULL),
    status = 'PENDING', run_at = NULL, run_at_boot = NULL, boot_id = NULL, hold = ?, updated_at = ?
WHERE id = ?
