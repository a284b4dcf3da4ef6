-- An array is found by one walk through the index, a query's result by many.
UPDATE background_service_jobs
SET status = 'RUNNING', attempts = coalesce(attempts, 0) + 1, lease_owner = ?1, lease_token = ?2,
    last_attempt_at = ?3, updated_at = ?3
WHERE id = ANY(translate(?4, '[]', '{}')::bigint[])
