-- One step of a loose scan: the first lane beyond a given one. Three exact seeks, because a comparison of rows
-- would seek to the given lane and then walk over all its jobs. SQLite reads the parts one after another.
SELECT alone, queue, job_key FROM (
    SELECT * FROM (
        SELECT alone, queue, job_key FROM background_service_jobs INDEXED BY windlass_jobs_ready
        WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
          AND alone = ?1 AND queue = ?2 AND job_key > ?3
        ORDER BY job_key LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT alone, queue, job_key FROM background_service_jobs INDEXED BY windlass_jobs_ready
        WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
          AND alone = ?1 AND queue > ?2
        ORDER BY queue, job_key LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT alone, queue, job_key FROM background_service_jobs INDEXED BY windlass_jobs_ready
        WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
          AND alone > ?1
        ORDER BY alone, queue, job_key LIMIT 1)
)
LIMIT 1
