SELECT run_at FROM background_service_jobs INDEXED BY windlass_jobs_due_wall
WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NULL AND hold IS NULL
ORDER BY run_at LIMIT 1
