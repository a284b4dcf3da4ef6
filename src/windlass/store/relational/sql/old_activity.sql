-- The rows that forget_activity is about to delete.
SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity
WHERE minute < ?1 AND minute < (SELECT min(minute) FROM windlass_activity) + 10
