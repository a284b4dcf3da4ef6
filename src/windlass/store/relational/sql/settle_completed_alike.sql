UPDATE background_service_jobs
SET status = 'COMPLETED', result = NULL, finished_at = ?, updated_at = ?, lease_owner = NULL, lease_token = NULL
WHERE id IN (SELECT value FROM json_each(?)) AND attempts = ? AND lease_token = ? AND status = 'RUNNING'
RETURNING id
