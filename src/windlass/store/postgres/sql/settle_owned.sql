-- Locked: a transaction of the handler's own may be completing it just now.
SELECT cancel_requested, max_attempts, crashes, last_attempt_at
FROM background_service_jobs
WHERE id = ? AND attempts = ? AND lease_token = ? AND status = 'RUNNING'
FOR UPDATE
