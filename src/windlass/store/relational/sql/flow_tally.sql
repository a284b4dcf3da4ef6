SELECT status, hold IS NOT NULL, count(*)
FROM background_service_jobs WHERE id IN (SELECT value FROM json_each(?)) GROUP BY status, hold IS NOT NULL
