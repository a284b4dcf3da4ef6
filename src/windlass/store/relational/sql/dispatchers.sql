SELECT id, host, pid, boot_id, lock_file, started_at, version, mode, job_keys, labels, NULL
FROM windlass_dispatchers ORDER BY id
