SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity WHERE minute BETWEEN ? AND ? ORDER BY minute
