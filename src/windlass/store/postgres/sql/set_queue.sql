INSERT INTO windlass_queues AS known (queue, paused, concurrency)
VALUES (:queue, coalesce(:paused::bigint, 0), :concurrency::bigint)
ON CONFLICT (queue) DO UPDATE
SET paused = coalesce(:paused::bigint, known.paused),
    concurrency = CASE WHEN :keep::bigint <> 0 THEN known.concurrency ELSE :concurrency::bigint END
