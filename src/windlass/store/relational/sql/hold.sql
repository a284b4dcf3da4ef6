UPDATE background_service_jobs SET hold = ?, updated_at = ? WHERE id = ? AND status = 'PENDING'
