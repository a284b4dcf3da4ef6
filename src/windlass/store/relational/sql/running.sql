SELECT queue, job_key, count(*) FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' AND lease_owner IS NOT NULL GROUP BY queue, job_key
