SELECT id, status, run_at, run_at_boot, lease_owner FROM background_service_jobs
WHERE (status <> 'PENDING' AND status <> 'RUNNING' AND status <> 'COMPLETED' AND status <> 'FAILED'
       AND status <> 'CANCELLED')
   OR (run_at IS NOT NULL AND boot_id IS NOT NULL AND run_at_boot IS NULL)
   OR (status = 'RUNNING' AND lease_owner IS NULL)
   OR ((status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') AND finished_at IS NULL)
LIMIT ?
