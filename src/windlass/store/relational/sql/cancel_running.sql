-- The first reason stays.
UPDATE background_service_jobs SET cancel_requested = iif(cancel_requested, cancel_requested, 1), updated_at = ?
WHERE id = ? AND status = 'RUNNING'
