-- Waiting, it has failed; running, it is asked to stop.
UPDATE background_service_jobs
SET reason = iif(status = 'PENDING', 'deadline', reason), last_error = iif(status = 'PENDING', ?1, last_error),
    finished_at = iif(status = 'PENDING', ?2, finished_at),
    cancel_requested = iif(status = 'RUNNING', 3, cancel_requested),
    status = iif(status = 'PENDING', 'FAILED', status), updated_at = ?3
WHERE id IN (SELECT value FROM json_each(?4))
