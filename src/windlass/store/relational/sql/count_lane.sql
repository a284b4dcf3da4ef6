SELECT count(*) FROM (
    SELECT 1 FROM background_service_jobs INDEXED BY windlass_jobs_ready
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND alone = ?1 AND queue = ?2 AND job_key = ?3
    LIMIT ?4)
