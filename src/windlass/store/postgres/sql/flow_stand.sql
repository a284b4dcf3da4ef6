-- Locked, so that none of them ends before what waits for it is there to be released.
SELECT id, status FROM background_service_jobs
WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(?::jsonb)::bigint))
ORDER BY id FOR SHARE
