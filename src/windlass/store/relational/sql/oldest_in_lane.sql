SELECT created_at FROM background_service_jobs
WHERE id = (
    SELECT min(id) FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
    WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
      AND alone = ? AND queue = ? AND job_key = ? AND constraints = ?)
