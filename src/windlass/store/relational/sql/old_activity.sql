-- So many at a time: after an upgrade there may be two days' worth.
SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity WHERE minute < ? ORDER BY minute, owner, queue, job_key LIMIT ?
