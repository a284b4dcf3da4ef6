-- The best jobs of a lane, or of a part of it: /* where */ is a condition on priority and id. See ready.py.
-- A pattern takes the server longer than all the rest of a row: jobs that were not touched since have two times alike.
SELECT id, payload, attempts, max_attempts, timeout_us, crashes, priority,
       CASE WHEN created_at <> updated_at THEN
           created_at ~ '^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z$' END,
       updated_at
FROM background_service_jobs
WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
  AND alone = %(alone)s AND queue = %(queue)s AND job_key = %(key)s AND /* where */
ORDER BY coalesce(priority, 0) DESC, id
LIMIT %(most)s
FOR UPDATE SKIP LOCKED
