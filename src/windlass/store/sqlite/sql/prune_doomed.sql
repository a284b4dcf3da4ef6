SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND status = ? AND (finished_at, id) <= (?, ?)
ORDER BY finished_at, id LIMIT ?
