SELECT NOT EXISTS (SELECT 1 FROM windlass_limits)
    AND NOT EXISTS (SELECT 1 FROM windlass_queues WHERE paused <> 0 OR concurrency IS NOT NULL OR pin IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM windlass_hosts) AS yes
