SELECT id, lease_owner FROM background_service_jobs
WHERE status = 'RUNNING' AND lease_owner IS NOT NULL AND (?1::bigint IS NULL OR lease_owner = ?1::bigint)
ORDER BY id LIMIT ?2
