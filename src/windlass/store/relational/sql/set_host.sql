INSERT INTO windlass_hosts (host, paused, draining) VALUES (:host, coalesce(:paused, 0), coalesce(:draining, 0))
ON CONFLICT (host) DO UPDATE
SET paused = coalesce(:paused, windlass_hosts.paused), draining = coalesce(:draining, windlass_hosts.draining)
