-- Of an attempt, what the newer rows leave room for; of a job, so many attempts.
DELETE FROM windlass_logs
WHERE job_id = ?1 AND (attempt <= ?3 OR id IN (
    SELECT id FROM (
        SELECT id, sum(count) OVER newer - count AS lines, sum(bytes) OVER newer - bytes AS filled
        FROM windlass_logs WHERE job_id = ?1 AND attempt = ?2
        WINDOW newer AS (ORDER BY id DESC)) AS part
    WHERE lines >= ?4 OR filled >= ?5))
