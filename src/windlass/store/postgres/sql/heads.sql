-- The best ready job of each priority in each lane, from one to the next: two exact seeks each. As first_lane.sql, a
-- seek stops at the first one that is ready, and visits the entries of those before it that are ready no more.
WITH RECURSIVE head AS (
    (SELECT alone, queue, job_key, coalesce(priority, 0) AS priority, id FROM background_service_jobs
     WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
     ORDER BY alone, queue, job_key, coalesce(priority, 0) DESC, id LIMIT 1)
    UNION ALL
    SELECT later.* FROM head CROSS JOIN LATERAL (
        SELECT * FROM (
            SELECT alone, queue, job_key, coalesce(priority, 0) AS priority, id FROM background_service_jobs
            WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
              AND alone = head.alone AND queue = head.queue AND job_key = head.job_key
              AND coalesce(priority, 0) < head.priority
            ORDER BY coalesce(priority, 0) DESC, id LIMIT 1) AS in_lane
        UNION ALL
        SELECT * FROM (
            SELECT alone, queue, job_key, coalesce(priority, 0) AS priority, id FROM background_service_jobs
            WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
              AND (alone, queue, job_key) > (head.alone, head.queue, head.job_key)
            ORDER BY alone, queue, job_key, coalesce(priority, 0) DESC, id LIMIT 1) AS in_another
        LIMIT 1) AS later)
SELECT alone, queue, job_key, priority, id FROM head
