-- A claim by itself, where nothing stands in its way: nobody paused, pinned or limited anything, and each of the best
-- jobs is written as ours are. Otherwise nothing is claimed, and the first column says so.
WITH free AS MATERIALIZED (
    /* is_free */
), best AS MATERIALIZED (
    SELECT id, created_at, updated_at,
           coalesce(attempts, 0) BETWEEN 0 AND 1000000000 AND coalesce(max_attempts, 3) > 0 AS plain
    FROM background_service_jobs
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND alone = %(alone)s AND queue = %(queue)s AND job_key = %(key)s AND (SELECT yes FROM free)
    ORDER BY coalesce(priority, 0) DESC, id
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
), simple AS MATERIALIZED (
    SELECT (SELECT yes FROM free) AND coalesce((SELECT bool_and(plain) FROM best), true) AND coalesce(
        bool_and(created_at ~ '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$'),
        true) AS yes
    FROM (SELECT DISTINCT created_at FROM best) AS times
), taken AS (
    UPDATE background_service_jobs AS job
    SET status = 'RUNNING', attempts = coalesce(attempts, 0) + 1, lease_owner = %(owner)s, lease_token = %(token)s,
        last_attempt_at = %(now)s, updated_at = %(now)s
    FROM best
    WHERE job.id = best.id AND (SELECT yes FROM simple)
    RETURNING job.id, payload, attempts, coalesce(max_attempts, 3), timeout_us, crashes, priority, best.updated_at
)
SELECT simple.yes, taken.* FROM simple LEFT JOIN taken ON true
