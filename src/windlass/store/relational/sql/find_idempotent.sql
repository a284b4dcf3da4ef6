SELECT id, created_at FROM background_service_jobs WHERE job_key = ? AND idempotency_key = ?
