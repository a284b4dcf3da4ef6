-- As shares.sql, from the floors on: of each shelf what is not below its floor, and of each lane what is between its shelves.
SELECT n, count(*)
FROM (SELECT n
      FROM (SELECT n, most, priority, id, row_number() OVER (PARTITION BY n ORDER BY priority DESC, id) AS place
            FROM (SELECT shelf.n, shelf.most, head.*
                  FROM unnest(%(places)s::bigint[], %(alones)s::bigint[], %(queues)s::text[], %(keys)s::text[],
                              %(mosts)s::bigint[], %(priorities)s::bigint[], %(floors)s::bigint[])
                       AS shelf (n, alone, queue, job_key, most, priority, floor)
                  CROSS JOIN LATERAL (
                      SELECT coalesce(priority, 0) AS priority, id FROM background_service_jobs AS job
                      WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
                        AND job.alone = shelf.alone AND job.queue = shelf.queue COLLATE "C"
                        AND job.job_key = shelf.job_key COLLATE "C"
                        AND coalesce(job.priority, 0) = shelf.priority AND job.id >= shelf.floor
                      ORDER BY coalesce(job.priority, 0) DESC, job.id
                      LIMIT shelf.most) AS head
                  UNION ALL
                  SELECT gap.n, gap.most, head.*
                  FROM unnest(%(gap_places)s::bigint[], %(gap_alones)s::bigint[], %(gap_queues)s::text[],
                              %(gap_keys)s::text[], %(gap_mosts)s::bigint[], %(below)s::bigint[], %(above)s::bigint[])
                       AS gap (n, alone, queue, job_key, most, below, above)
                  CROSS JOIN LATERAL (
                      SELECT coalesce(priority, 0) AS priority, id FROM background_service_jobs AS job
                      WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL
                        AND job.alone = gap.alone AND job.queue = gap.queue COLLATE "C"
                        AND job.job_key = gap.job_key COLLATE "C"
                        AND coalesce(job.priority, 0) < gap.below AND coalesce(job.priority, 0) > gap.above
                      ORDER BY coalesce(job.priority, 0) DESC, job.id
                      LIMIT gap.most) AS head) AS found) AS ranked
      WHERE place <= most
      ORDER BY priority DESC, id
      LIMIT %(most)s) AS best
GROUP BY n
