-- Of a lane: the oldest of its highest priority below ?4.
SELECT ifnull(priority, 0), id, updated_at FROM background_service_jobs INDEXED BY windlass_jobs_ready
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
  AND alone = ?1 AND queue = ?2 AND job_key = ?3 AND ifnull(priority, 0) < ?4
ORDER BY ifnull(priority, 0) DESC, id LIMIT 1
