-- As first_lane.sql, for the lanes that need their conditions: an exact seek more. Where there is no such job, all of
-- them end at the root of an empty index.
SELECT alone, queue, job_key, constraints FROM (
    SELECT * FROM (
        SELECT alone, queue, job_key, constraints FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
        WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
          AND alone = ?1 AND queue = ?2 AND job_key = ?3 AND constraints > ?4
        ORDER BY constraints LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT alone, queue, job_key, constraints FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
        WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
          AND alone = ?1 AND queue = ?2 AND job_key > ?3
        ORDER BY job_key, constraints LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT alone, queue, job_key, constraints FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
        WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
          AND alone = ?1 AND queue > ?2
        ORDER BY queue, job_key, constraints LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT alone, queue, job_key, constraints FROM background_service_jobs INDEXED BY windlass_jobs_conditioned
        WHERE constraints IS NOT NULL AND status = 'PENDING' AND run_at IS NULL AND hold IS NULL
          AND alone > ?1
        ORDER BY alone, queue, job_key, constraints LIMIT 1)
)
LIMIT 1
