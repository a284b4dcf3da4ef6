-- As heads.sql, where most lie is known: of each known shelf the best job that is not below its floor, then one of
-- any other priority in these lanes, and one of any lane between them.
SELECT shelf.alone, shelf.queue, shelf.job_key, shelf.priority, head.id
FROM unnest(%(alones)s::bigint[], %(queues)s::text[], %(keys)s::text[], %(priorities)s::bigint[], %(floors)s::bigint[])
     AS shelf (alone, queue, job_key, priority, floor)
CROSS JOIN LATERAL (
    SELECT id FROM background_service_jobs AS job
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND job.alone = shelf.alone AND job.queue = shelf.queue COLLATE "C" AND job.job_key = shelf.job_key COLLATE "C"
      AND coalesce(job.priority, 0) = shelf.priority AND job.id >= shelf.floor
    ORDER BY coalesce(job.priority, 0) DESC, id LIMIT 1) AS head
UNION ALL
SELECT head.*
FROM unnest(%(gap_alones)s::bigint[], %(gap_queues)s::text[], %(gap_keys)s::text[], %(below)s::bigint[],
            %(above)s::bigint[]) AS gap (alone, queue, job_key, below, above)
CROSS JOIN LATERAL (
    SELECT job.alone, job.queue, job.job_key, coalesce(priority, 0) AS priority, id FROM background_service_jobs AS job
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND job.alone = gap.alone AND job.queue = gap.queue COLLATE "C" AND job.job_key = gap.job_key COLLATE "C"
      AND coalesce(job.priority, 0) < gap.below AND coalesce(job.priority, 0) > gap.above
    ORDER BY coalesce(job.priority, 0) DESC, id LIMIT 1) AS head
UNION ALL
SELECT head.*
FROM unnest(%(after_alones)s::bigint[], %(after_queues)s::text[], %(after_keys)s::text[],
            %(until_alones)s::bigint[], %(until_queues)s::text[], %(until_keys)s::text[])
     AS gap (after_alone, after_queue, after_key, until_alone, until_queue, until_key)
CROSS JOIN LATERAL (
    SELECT alone, queue, job_key, coalesce(priority, 0) AS priority, id FROM background_service_jobs
    WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
      AND (alone, queue, job_key) > (gap.after_alone, gap.after_queue COLLATE "C", gap.after_key COLLATE "C")
      AND (alone, queue, job_key) < (gap.until_alone, gap.until_queue COLLATE "C", gap.until_key COLLATE "C")
    ORDER BY alone, queue, job_key, coalesce(priority, 0) DESC, id LIMIT 1) AS head
