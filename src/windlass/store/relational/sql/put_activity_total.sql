INSERT INTO windlass_activity_totals (queue, job_key, completed, failed, retried, snoozed, cancelled, crashed, other,
                                      waits, runs)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (queue, job_key) DO UPDATE
SET completed = ?3, failed = ?4, retried = ?5, snoozed = ?6, cancelled = ?7, crashed = ?8, other = ?9, waits = ?10,
    runs = ?11
