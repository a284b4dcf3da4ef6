-- The first in line that is not held there for good.
SELECT id, hold FROM background_service_jobs INDEXED BY windlass_jobs_unique_next
WHERE unique_next = ?1 AND unique_next IS NOT NULL AND status = 'PENDING' AND hold IN (?2, ?3)
ORDER BY id LIMIT 1
