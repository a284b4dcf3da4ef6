INSERT INTO windlass_queues (queue, paused, concurrency) VALUES (:queue, ifnull(:paused, 0), :concurrency)
ON CONFLICT (queue) DO UPDATE
SET paused = ifnull(:paused, paused), concurrency = iif(:keep, concurrency, :concurrency)
