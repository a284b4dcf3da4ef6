SELECT id, attempts, last_attempt_at, cancel_requested
FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' AND lease_owner = ? AND id NOT IN (SELECT value FROM json_each(?)) LIMIT ?
