SELECT minute, 0, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity_spans WHERE minutes = ? AND minute = ? AND queue = ? AND job_key = ?
