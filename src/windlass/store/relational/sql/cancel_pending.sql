UPDATE background_service_jobs
SET status = 'CANCELLED', reason = 'cancelled', finished_at = ?1, updated_at = ?2
WHERE id = ?3 AND status = 'PENDING'
