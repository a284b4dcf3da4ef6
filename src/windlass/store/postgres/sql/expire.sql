-- Waiting, it has failed; running, it is asked to stop.
UPDATE background_service_jobs
SET reason = CASE WHEN status = 'PENDING' THEN 'deadline' ELSE reason END,
    last_error = CASE WHEN status = 'PENDING' THEN ?1 ELSE last_error END,
    finished_at = CASE WHEN status = 'PENDING' THEN ?2::bigint ELSE finished_at END,
    cancel_requested = CASE WHEN status = 'RUNNING' THEN 3 ELSE cancel_requested END,
    status = CASE WHEN status = 'PENDING' THEN 'FAILED' ELSE status END, updated_at = ?3
WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(?4::jsonb)::bigint))
