SELECT queue FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND alone = ?1 AND queue > ?2
ORDER BY queue LIMIT 1
