SELECT id, attempt, token, first, lines FROM windlass_logs
WHERE job_id = ? AND attempt BETWEEN ? AND ?
ORDER BY attempt, id
