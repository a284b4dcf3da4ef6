SELECT queue, 'ready', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_ready
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL GROUP BY queue
UNION ALL
SELECT queue, 'ready', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL GROUP BY queue
UNION ALL
SELECT queue, 'scheduled', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_due_wall
WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NULL AND hold IS NULL GROUP BY queue
UNION ALL
SELECT queue, 'scheduled', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_due_boot
WHERE status = 'PENDING' AND run_at IS NOT NULL AND boot_id IS NOT NULL AND hold IS NULL GROUP BY queue
UNION ALL
SELECT queue, 'held', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_held
WHERE status = 'PENDING' AND hold IS NOT NULL GROUP BY queue
UNION ALL
SELECT queue, 'running', count(*) FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' GROUP BY queue
