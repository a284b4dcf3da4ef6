-- One that came from another database was never heard of here.
SELECT id, host, pid, boot_id, lock_file, started_at, version, mode, job_keys, labels,
       greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - coalesce(seen_at, 0), 0)
FROM windlass_dispatchers ORDER BY id
