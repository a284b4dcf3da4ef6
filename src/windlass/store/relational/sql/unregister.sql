-- Only once nothing is RUNNING in its name: whoever reclaims that later finds it by this row.
DELETE FROM windlass_dispatchers
WHERE id = ?1 AND NOT EXISTS (
    SELECT 1 FROM background_service_jobs INDEXED BY windlass_jobs_running
    WHERE status = 'RUNNING' AND lease_owner = ?1)
