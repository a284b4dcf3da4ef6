SELECT id, created_at, job_key, hold FROM background_service_jobs INDEXED BY windlass_jobs_unique_next
WHERE unique_next = ? AND unique_next IS NOT NULL AND status = 'PENDING'
ORDER BY id LIMIT 1
