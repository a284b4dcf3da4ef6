-- What may stand in a turn's way: is nothing limited, paused or pinned; does any job wait for others, or in line?
-- Asked when what was settled is locked: who binds a job to one of these has committed by then, or waits.
SELECT NOT EXISTS (SELECT 1 FROM windlass_limits)
    AND NOT EXISTS (SELECT 1 FROM windlass_queues WHERE paused <> 0 OR concurrency IS NOT NULL OR pin IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM windlass_hosts),
    EXISTS (SELECT 1 FROM windlass_dependencies),
    EXISTS (SELECT 1 FROM background_service_jobs WHERE unique_next IS NOT NULL AND status = 'PENDING')
