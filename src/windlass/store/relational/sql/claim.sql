UPDATE background_service_jobs
SET status = 'RUNNING', attempts = ifnull(attempts, 0) + 1, lease_owner = ?1, lease_token = ?2,
    last_attempt_at = ?3, updated_at = ?3
WHERE id IN (SELECT value FROM json_each(?4))
