UPDATE background_service_jobs
SET status = CASE cancel_requested WHEN 0 THEN 'PENDING' WHEN 3 THEN 'FAILED' ELSE 'CANCELLED' END,
    reason = CASE cancel_requested WHEN 0 THEN NULL WHEN 3 THEN 'deadline' WHEN 2 THEN 'replaced' ELSE 'cancelled' END,
    last_error = CASE WHEN cancel_requested = 3 THEN :missed ELSE last_error END,
    finished_at = CASE WHEN cancel_requested <> 0 THEN :now_us::bigint END, attempts = attempts - 1, alone = 1,
    updated_at = :now, lease_owner = NULL, lease_token = NULL
WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(:ids::jsonb)::bigint)) AND status = 'RUNNING'
