-- Delays of earlier boots: from now on their wall time decides. Those of this boot lie between the others.
UPDATE background_service_jobs SET boot_id = NULL, run_at_boot = NULL
WHERE id IN (
    SELECT id FROM (
        SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
        WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL AND boot_id < ?1
        LIMIT ?2)
    UNION ALL
    SELECT id FROM (
        SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
        WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL AND boot_id > ?1
        LIMIT ?2))
