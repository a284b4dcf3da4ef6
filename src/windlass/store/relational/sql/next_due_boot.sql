SELECT run_at_boot FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL AND boot_id = ?
ORDER BY run_at_boot LIMIT 1
