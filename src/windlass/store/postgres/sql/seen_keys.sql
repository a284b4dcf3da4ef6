SELECT job_key FROM (SELECT job_key FROM background_service_jobs ORDER BY id DESC LIMIT 2000) AS jobs
UNION SELECT job_key FROM (SELECT job_key FROM windlass_activity ORDER BY minute DESC LIMIT 2000) AS figures
UNION SELECT job_key FROM (SELECT job_key FROM windlass_activity_spans WHERE minutes = 15
       ORDER BY minute DESC LIMIT 2000) AS spans
UNION SELECT job_key FROM windlass_schedules
UNION SELECT value FROM windlass_dispatchers, jsonb_array_elements_text(windlass_array(job_keys)) AS known (value)
