-- The key is free: it takes it, and may run.
UPDATE background_service_jobs
SET unique_key = unique_next, unique_next = NULL, hold = NULL, updated_at = ?1
WHERE id = ?2 AND status = 'PENDING'
