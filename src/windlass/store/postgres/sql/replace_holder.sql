-- Waiting, it is over; running, it is asked to stop, unless it was asked before.
UPDATE background_service_jobs
SET status = CASE WHEN status = 'PENDING' THEN 'CANCELLED' ELSE status END,
    reason = CASE WHEN status = 'PENDING' THEN 'replaced' ELSE reason END,
    finished_at = CASE WHEN status = 'PENDING' THEN ?1::bigint ELSE finished_at END,
    cancel_requested = CASE WHEN status = 'RUNNING' AND cancel_requested = 0 THEN 2 ELSE cancel_requested END,
    updated_at = ?2
WHERE id = ?3 AND (status = 'PENDING' OR status = 'RUNNING')
