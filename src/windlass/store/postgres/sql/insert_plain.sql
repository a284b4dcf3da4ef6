-- Most jobs have no more than this. Without an idempotency key there is none that they could meet: to be ready for one
-- costs a tenth of an insert.
INSERT INTO background_service_jobs (job_key, payload, status, priority, max_attempts, created_at, updated_at, queue)
VALUES (%s, %s, 'PENDING', %s, %s, %s, %s, %s)
RETURNING id
