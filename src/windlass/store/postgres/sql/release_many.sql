-- By their ids alone: see settle_many.sql.
-- Back as they were. One that was asked to stop meanwhile is another matter.
UPDATE background_service_jobs AS job
SET status = 'PENDING', attempts = given.attempt - 1, hold = NULL, run_at = NULL, run_at_boot = NULL, boot_id = NULL,
    updated_at = %(now)s, lease_owner = NULL, lease_token = NULL
FROM unnest(%(ids)s::bigint[], %(attempts)s::bigint[], %(tokens)s::bigint[]) AS given (id, attempt, token)
WHERE job.id = given.id AND job.attempts = given.attempt AND job.lease_token = given.token
  AND job.status || '' = 'RUNNING' AND job.cancel_requested = 0
RETURNING job.id
