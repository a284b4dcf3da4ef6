SELECT id, cancel_requested FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' AND lease_owner = ? AND cancel_requested
