UPDATE windlass_hosts SET draining = 0 WHERE host = ? AND draining <> 0
