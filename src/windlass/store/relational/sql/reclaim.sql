UPDATE background_service_jobs
SET status = CASE cancel_requested WHEN 0 THEN 'PENDING' WHEN 3 THEN 'FAILED' ELSE 'CANCELLED' END,
    reason = CASE cancel_requested WHEN 0 THEN NULL WHEN 3 THEN 'deadline' WHEN 2 THEN 'replaced' ELSE 'cancelled' END,
    last_error = iif(cancel_requested = 3, :missed, last_error),
    finished_at = iif(cancel_requested, :now_us, NULL), attempts = attempts - 1, alone = 1,
    updated_at = :now, lease_owner = NULL, lease_token = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'RUNNING'
