INSERT INTO windlass_queues (queue, paused, pin) VALUES (?1, 0, ?2)
ON CONFLICT (queue) DO UPDATE SET pin = ?2
