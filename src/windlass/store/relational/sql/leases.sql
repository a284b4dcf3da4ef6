SELECT id, lease_owner FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' AND lease_owner IS NOT NULL AND (?1 IS NULL OR lease_owner = ?1)
ORDER BY id LIMIT ?2
