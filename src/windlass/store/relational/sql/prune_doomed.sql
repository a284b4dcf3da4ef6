-- Not the parents of jobs that are not over.
SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND status = ? AND (finished_at, id) <= (?, ?)
  AND NOT EXISTS (
    SELECT 1 FROM windlass_dependencies AS bond CROSS JOIN background_service_jobs AS child ON child.id = bond.child
    WHERE bond.parent = background_service_jobs.id AND (child.status = 'PENDING' OR child.status = 'RUNNING'))
ORDER BY finished_at, id LIMIT ?
