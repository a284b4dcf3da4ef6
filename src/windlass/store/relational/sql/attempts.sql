SELECT attempt, outcome, started_at, finished_at, error FROM windlass_attempts WHERE job_id = ? ORDER BY id
