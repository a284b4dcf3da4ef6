-- Whether there may be something to trim: of nearly all jobs there is one row.
SELECT 1 FROM windlass_logs WHERE job_id = ? LIMIT 1 OFFSET 1
