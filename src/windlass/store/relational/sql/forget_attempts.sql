-- A job that snoozes for years keeps its newest hundred.
DELETE FROM windlass_attempts
WHERE job_id = ?1 AND id <= (
    SELECT id FROM windlass_attempts WHERE job_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET 100)
