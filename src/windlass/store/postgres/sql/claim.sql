-- By a query's result, which looks the same to the planner however many they are: one plan serves them all.
UPDATE background_service_jobs
SET status = 'RUNNING', attempts = coalesce(attempts, 0) + 1, lease_owner = ?1, lease_token = ?2,
    last_attempt_at = ?3, updated_at = ?3
WHERE id = ANY(ARRAY(SELECT unnest(translate(?4, '[]', '{}')::bigint[])))
