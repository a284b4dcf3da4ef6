SELECT queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity_totals WHERE queue = ? AND job_key = ?
