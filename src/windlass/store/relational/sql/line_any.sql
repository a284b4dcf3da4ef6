SELECT 1 FROM background_service_jobs INDEXED BY windlass_jobs_unique_next
WHERE unique_next IS NOT NULL AND status = 'PENDING'
LIMIT 1
