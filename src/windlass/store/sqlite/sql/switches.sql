SELECT queue, paused, concurrency FROM windlass_queues WHERE paused OR concurrency IS NOT NULL
