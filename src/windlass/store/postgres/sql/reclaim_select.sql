-- Locked: one that a handler's own transaction is about to complete is not lost.
SELECT id, attempts, last_attempt_at, cancel_requested
FROM background_service_jobs
WHERE status = 'RUNNING' AND lease_owner = ?
  AND id <> ALL(ARRAY(SELECT jsonb_array_elements_text(?::jsonb)::bigint)) LIMIT ?
FOR UPDATE SKIP LOCKED
