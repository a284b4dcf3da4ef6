UPDATE background_service_jobs SET hold = ?1, updated_at = ?2
WHERE id IN (
    SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
    WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
      AND alone = ?3 AND queue = ?4 AND job_key = ?5 AND constraints = ?6
    LIMIT ?7)
