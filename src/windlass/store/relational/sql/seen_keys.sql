SELECT job_key FROM (SELECT job_key FROM background_service_jobs ORDER BY id DESC LIMIT 2000)
UNION SELECT job_key FROM (SELECT job_key FROM windlass_activity_spans WHERE minutes = 15
       ORDER BY minute DESC LIMIT 2000)
UNION SELECT job_key FROM windlass_schedules
UNION SELECT value FROM windlass_dispatchers, json_each(iif(json_valid(job_keys), job_keys, '[]'))
