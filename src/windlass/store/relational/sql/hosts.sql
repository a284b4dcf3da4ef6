SELECT host, paused, draining FROM windlass_hosts ORDER BY host
