-- How many of the best jobs each of several lanes has: so many are locked there, and no row that loses.
SELECT n, count(*)
FROM (SELECT lane.n
      FROM unnest(%(alones)s::bigint[], %(queues)s::text[], %(keys)s::text[], %(mosts)s::bigint[])
           WITH ORDINALITY AS lane (alone, queue, job_key, most, n)
      CROSS JOIN LATERAL (
          SELECT coalesce(priority, 0) AS priority, id FROM background_service_jobs AS job
          WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
            AND job.alone = lane.alone AND job.queue = lane.queue COLLATE "C" AND job.job_key = lane.job_key COLLATE "C"
          ORDER BY coalesce(job.priority, 0) DESC, job.id
          LIMIT lane.most) AS head
      ORDER BY head.priority DESC, head.id
      LIMIT %(most)s) AS best
GROUP BY n
