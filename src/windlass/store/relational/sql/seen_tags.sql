SELECT DISTINCT tag.value
FROM (SELECT tags FROM background_service_jobs ORDER BY id DESC LIMIT 5000) AS job,
     json_each(iif(json_valid(job.tags), job.tags, '[]')) AS tag
WHERE job.tags IS NOT NULL
