INSERT INTO windlass_dispatchers (host, pid, boot_id, lock_file, started_at, version, mode, job_keys, labels, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
