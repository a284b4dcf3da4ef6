SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity WHERE minute = ? AND owner = ? AND queue = ? AND job_key = ?
