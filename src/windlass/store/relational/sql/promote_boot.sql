UPDATE background_service_jobs SET run_at = NULL, run_at_boot = NULL, boot_id = NULL, updated_at = ?1
WHERE id IN (
    SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL
      AND boot_id = ?2 AND run_at_boot <= ?3
    ORDER BY run_at_boot LIMIT ?4)
