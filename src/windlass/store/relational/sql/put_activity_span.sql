INSERT INTO windlass_activity_spans (minutes, minute, queue, job_key, completed, failed, retried, snoozed, cancelled,
                                     crashed, other, waits, runs)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (minutes, minute, queue, job_key) DO UPDATE
SET completed = ?5, failed = ?6, retried = ?7, snoozed = ?8, cancelled = ?9, crashed = ?10, other = ?11, waits = ?12,
    runs = ?13
