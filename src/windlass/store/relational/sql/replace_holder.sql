-- Waiting, it is over; running, it is asked to stop, unless it was asked before.
UPDATE background_service_jobs
SET status = iif(status = 'PENDING', 'CANCELLED', status),
    reason = iif(status = 'PENDING', 'replaced', reason),
    finished_at = iif(status = 'PENDING', ?1, finished_at),
    cancel_requested = iif(status = 'RUNNING' AND NOT cancel_requested, 2, cancel_requested),
    updated_at = ?2
WHERE id = ?3 AND (status = 'PENDING' OR status = 'RUNNING')
