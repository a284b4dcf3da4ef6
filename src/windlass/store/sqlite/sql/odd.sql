SELECT id, status, run_at, lease_owner FROM background_service_jobs INDEXED BY windlass_jobs_odd
WHERE status NOT IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')
   OR typeof(run_at) NOT IN ('integer', 'null')
   OR (status = 'RUNNING' AND lease_owner IS NULL)
LIMIT ?
