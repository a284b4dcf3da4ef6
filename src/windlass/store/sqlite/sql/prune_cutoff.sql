SELECT finished_at, id FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND status = ?
ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET ?
