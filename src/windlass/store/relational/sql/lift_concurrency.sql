UPDATE windlass_queues SET concurrency = NULL WHERE queue = ? AND concurrency IS NOT NULL
