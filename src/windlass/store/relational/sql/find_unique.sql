SELECT id, created_at, job_key, status FROM background_service_jobs INDEXED BY windlass_jobs_unique
WHERE unique_key = ? AND unique_key IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING')
