-- Those that have a unique key, or are in line for it, in the order of their ids.
SELECT id FROM background_service_jobs
WHERE id = ANY(ARRAY(
    SELECT id FROM background_service_jobs
    WHERE unique_key = %(unique)s AND unique_key IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING')
    UNION ALL
    SELECT id FROM background_service_jobs
    WHERE unique_next = %(unique)s AND unique_next IS NOT NULL AND status = 'PENDING'))
ORDER BY id FOR UPDATE
