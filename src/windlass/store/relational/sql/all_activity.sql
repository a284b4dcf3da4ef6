-- One statement, so that nothing moves from the one table to the other meanwhile. Totals come first, as minute -1.
SELECT -1, 0, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity_totals
UNION ALL
SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity
