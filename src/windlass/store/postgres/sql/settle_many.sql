-- Rows are found by their ids alone, whatever the server guesses: the index of running jobs may be crowded with the
-- entries of jobs that ran under somebody's old transaction, and an expression is no condition for it.
UPDATE background_service_jobs AS job
SET status = 'COMPLETED', result = given.result, finished_at = %(now_us)s, updated_at = %(now)s,
    lease_owner = NULL, lease_token = NULL
FROM unnest(%(ids)s::bigint[], %(attempts)s::bigint[], %(tokens)s::bigint[], %(results)s::text[])
     AS given (id, attempt, token, result)
WHERE job.id = given.id AND job.attempts = given.attempt AND job.lease_token = given.token AND job.status || '' = 'RUNNING'
RETURNING job.id
