UPDATE background_service_jobs
SET status = 'PENDING', attempts = :attempts, last_error = coalesce(:error, last_error), crashes = :crashes,
    alone = coalesce(:alone::bigint, alone), hold = :hold, run_at = :run_at, run_at_boot = :run_at_boot,
    boot_id = :boot_id, updated_at = :now, lease_owner = NULL, lease_token = NULL
WHERE id = :id
