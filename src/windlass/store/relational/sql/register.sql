INSERT INTO windlass_dispatchers (host, pid, boot_id, lock_file, started_at, version, mode, job_keys, labels)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
