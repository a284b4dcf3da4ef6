-- The newest payload, and a later time: but one that is to be repeated is not hurried.
UPDATE background_service_jobs
SET payload = :payload, priority = :priority, max_attempts = :max_attempts, timeout_us = :timeout_us,
    tags = :tags, meta = :meta, title = :title, constraints = :constraints, deadline = :deadline, queue = :queue,
    run_at = CASE WHEN last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at::bigint
             THEN :run_at::bigint ELSE run_at END,
    run_at_boot = CASE WHEN last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at::bigint
                  THEN :run_at_boot::bigint ELSE run_at_boot END,
    boot_id = CASE WHEN last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at::bigint
              THEN :boot_id::text ELSE boot_id END,
    updated_at = :now
WHERE id = :id AND status = 'PENDING'
