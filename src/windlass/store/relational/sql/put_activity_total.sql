INSERT OR REPLACE INTO windlass_activity_totals
    (queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other, waits, runs)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
