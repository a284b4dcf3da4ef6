-- Left by a dispatcher that was taken for dead between two of its own statements.
SELECT DISTINCT lease_owner FROM background_service_jobs INDEXED BY windlass_jobs_running
WHERE status = 'RUNNING' AND lease_owner IS NOT NULL
  AND lease_owner NOT IN (SELECT id FROM windlass_dispatchers)
