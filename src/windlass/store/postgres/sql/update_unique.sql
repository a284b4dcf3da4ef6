-- What it is to do next time. A run that goes on has its own; one that is to be repeated keeps its time.
UPDATE background_service_jobs
SET payload = :payload, priority = :priority, max_attempts = :max_attempts, timeout_us = :timeout_us,
    tags = :tags, meta = :meta, title = :title, constraints = :constraints, deadline = :deadline,
    queue = CASE WHEN status = 'PENDING' THEN :queue ELSE queue END,
    run_at = CASE WHEN status = 'PENDING' AND (last_attempt_at IS NULL OR :later::bigint <> 0)
             THEN :run_at::bigint ELSE run_at END,
    run_at_boot = CASE WHEN status = 'PENDING' AND (last_attempt_at IS NULL OR :later::bigint <> 0)
                  THEN :run_at_boot::bigint ELSE run_at_boot END,
    boot_id = CASE WHEN status = 'PENDING' AND (last_attempt_at IS NULL OR :later::bigint <> 0)
              THEN :boot_id::text ELSE boot_id END,
    updated_at = :now
WHERE id = :id AND (status = 'PENDING' OR status = 'RUNNING')
