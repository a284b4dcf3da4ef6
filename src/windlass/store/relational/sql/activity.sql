-- What has been moved on, and what not yet.
SELECT minute, 0, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity_spans WHERE minutes = ?3 AND minute BETWEEN ?1 AND ?2
UNION ALL
SELECT minute, owner, queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs
FROM windlass_activity WHERE minute BETWEEN ?1 AND ?2
