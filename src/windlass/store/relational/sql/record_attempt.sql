INSERT INTO windlass_attempts (job_id, attempt, outcome, started_at, finished_at, error) VALUES (?, ?, ?, ?, ?, ?)
