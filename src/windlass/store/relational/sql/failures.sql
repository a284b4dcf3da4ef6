SELECT id, job_key, queue, reason, last_error, finished_at
FROM background_service_jobs INDEXED BY windlass_jobs_finished
WHERE (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND status = 'FAILED'
ORDER BY finished_at DESC, id DESC LIMIT ?
