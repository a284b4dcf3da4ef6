UPDATE background_service_jobs
SET status = :status, reason = :reason, last_error = coalesce(:error, last_error), crashes = :crashes,
    finished_at = :now_us, updated_at = :now, lease_owner = NULL, lease_token = NULL
WHERE id = :id
