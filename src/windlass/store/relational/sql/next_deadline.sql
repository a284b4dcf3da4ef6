SELECT deadline FROM background_service_jobs INDEXED BY windlass_jobs_deadline
WHERE deadline IS NOT NULL AND (status = 'PENDING' OR status = 'RUNNING')
  AND (status = 'PENDING' OR NOT cancel_requested)
ORDER BY deadline LIMIT 1
