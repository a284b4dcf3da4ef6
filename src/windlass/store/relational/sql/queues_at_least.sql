SELECT queue, 'scheduled', count(*) FROM (
    SELECT queue FROM background_service_jobs INDEXED BY windlass_jobs_due_wall
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NULL AND hold IS NULL LIMIT ?1) GROUP BY queue
UNION ALL
SELECT queue, 'scheduled', count(*) FROM (
    SELECT queue FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
    WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL LIMIT ?1) GROUP BY queue
UNION ALL
SELECT queue, 'held', count(*) FROM (
    SELECT queue FROM background_service_jobs INDEXED BY windlass_jobs_held
    WHERE status = 'PENDING' AND hold IS NOT NULL LIMIT ?1) GROUP BY queue
UNION ALL
SELECT queue, 'running', count(*) FROM (
    SELECT queue FROM background_service_jobs INDEXED BY windlass_jobs_running
    WHERE status = 'RUNNING' LIMIT ?1) GROUP BY queue
