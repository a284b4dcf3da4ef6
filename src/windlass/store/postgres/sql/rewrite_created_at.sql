UPDATE background_service_jobs SET created_at = windlass_iso(created_at)
WHERE id = ? AND windlass_iso(created_at) IS NOT NULL
