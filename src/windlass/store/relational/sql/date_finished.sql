UPDATE background_service_jobs SET finished_at = ? WHERE id = ?
