UPDATE background_service_jobs
SET status = iif(cancel_requested, 'CANCELLED', 'PENDING'), reason = iif(cancel_requested, 'cancelled', NULL),
    finished_at = iif(cancel_requested, :now_us, NULL), attempts = attempts - 1, alone = 1,
    updated_at = :now, lease_owner = NULL, lease_token = NULL
WHERE id IN (SELECT value FROM json_each(:ids)) AND status = 'RUNNING'
