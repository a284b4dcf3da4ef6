UPDATE background_service_jobs
SET status = 'COMPLETED', result = ?, finished_at = ?, updated_at = ?, lease_owner = NULL, lease_token = NULL
WHERE id = ? AND attempts = ? AND lease_token = ? AND status = 'RUNNING'
