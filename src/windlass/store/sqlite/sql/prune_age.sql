SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND status = ? AND finished_at < ?
ORDER BY finished_at LIMIT ?
