SELECT DISTINCT tag.value
FROM (SELECT tags FROM background_service_jobs ORDER BY id DESC LIMIT 5000) AS job,
     jsonb_array_elements_text(windlass_array(job.tags)) AS tag (value)
WHERE job.tags IS NOT NULL
