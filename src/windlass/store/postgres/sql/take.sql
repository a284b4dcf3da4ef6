-- A claim by itself, where nothing stands in its way: nobody paused, pinned or limited anything, and each of the best
-- jobs is written as ours are (see claim_part.sql). Otherwise nothing is claimed, and the first column says so.
WITH free AS MATERIALIZED (
    /* is_free */
), best (id, payload, attempts, max_attempts, timeout_us, crashes, priority, dated, updated_at) AS MATERIALIZED (
    /* best */
), simple AS MATERIALIZED (
    SELECT (SELECT yes FROM free) AND (
        SELECT coalesce(bool_and(dated IS NOT FALSE AND coalesce(attempts, 0) BETWEEN 0 AND 1000000000
                                 AND coalesce(max_attempts, 3) > 0), true) FROM best
    ) AND (
        SELECT coalesce(bool_and(
            updated_at ~ '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$'), true)
        FROM (SELECT DISTINCT updated_at FROM best WHERE dated IS NULL) AS times
    ) AS yes
), taken AS (
    UPDATE background_service_jobs AS job
    SET status = 'RUNNING', attempts = coalesce(job.attempts, 0) + 1, lease_owner = %(owner)s, lease_token = %(token)s,
        last_attempt_at = %(now)s, updated_at = %(now)s
    FROM best
    WHERE job.id = best.id AND (SELECT yes FROM simple)
    RETURNING job.id, job.payload, job.attempts, coalesce(job.max_attempts, 3), job.timeout_us, job.crashes,
              job.priority, best.updated_at
)
SELECT simple.yes, taken.* FROM simple LEFT JOIN taken ON true
