UPDATE background_service_jobs SET progress = ?, updated_at = ?
WHERE id = ? AND attempts = ? AND lease_token = ? AND status = 'RUNNING'
