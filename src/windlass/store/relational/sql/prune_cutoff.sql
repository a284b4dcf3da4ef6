SELECT finished_at, id FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND status = ?
ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET ?
