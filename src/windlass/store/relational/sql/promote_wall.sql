UPDATE background_service_jobs SET run_at = NULL, updated_at = ?1
WHERE id IN (
    SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_due_wall
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NULL AND hold IS NULL AND run_at <= ?2
    ORDER BY run_at LIMIT ?3)
