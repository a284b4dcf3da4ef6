SELECT id, status, run_at, run_at_boot, lease_owner FROM background_service_jobs INDEXED BY windlass_jobs_odd
WHERE (status <> 'PENDING' AND status <> 'RUNNING' AND status <> 'COMPLETED' AND status <> 'FAILED'
       AND status <> 'CANCELLED')
   OR typeof(run_at) NOT IN ('integer', 'null')
   OR (run_at IS NOT NULL AND boot_id IS NOT NULL AND typeof(run_at_boot) <> 'integer')
   OR (status = 'RUNNING' AND lease_owner IS NULL)
   OR ((status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND typeof(finished_at) <> 'integer')
LIMIT ?
