-- Once, however often it is told; and only of a job that is there.
INSERT INTO windlass_logs (job_id, attempt, token, first, count, bytes, lines)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
WHERE EXISTS (SELECT 1 FROM background_service_jobs WHERE id = ?1)
ON CONFLICT (job_id, attempt, token, first) DO NOTHING
