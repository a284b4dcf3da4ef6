-- Of these jobs, those that have ended and had a unique key, or were in line for one.
SELECT id, unique_key, unique_next, hold, status FROM background_service_jobs
WHERE id IN (SELECT value FROM json_each(?))
  AND (unique_key IS NOT NULL OR unique_next IS NOT NULL)
  AND (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED')
ORDER BY id
