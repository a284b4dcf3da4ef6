-- The first reason stays.
UPDATE background_service_jobs
SET cancel_requested = CASE WHEN cancel_requested <> 0 THEN cancel_requested ELSE 1 END, updated_at = ?
WHERE id = ? AND status = 'RUNNING'
