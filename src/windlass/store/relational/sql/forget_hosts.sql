DELETE FROM windlass_hosts WHERE paused = 0 AND draining = 0
