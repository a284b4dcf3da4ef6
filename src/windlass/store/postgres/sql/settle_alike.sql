-- As settle_many.sql, of jobs that were claimed together and gave no result: one walk through the index of ids.
-- Which ones it was is told only where some were not.
WITH done AS (
    UPDATE background_service_jobs
    SET status = 'COMPLETED', result = NULL, finished_at = %(now_us)s, updated_at = %(now)s,
        lease_owner = NULL, lease_token = NULL
    WHERE id = ANY(%(ids)s::bigint[])
      AND attempts = %(attempt)s AND lease_token = %(token)s AND status || '' = 'RUNNING'
    RETURNING id
)
SELECT CASE WHEN count(*) < %(count)s THEN coalesce(array_agg(id), '{}') END FROM done
