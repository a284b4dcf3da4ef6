-- The newest payload, and a later time: but one that is to be repeated is not hurried.
UPDATE background_service_jobs
SET payload = :payload, priority = :priority, max_attempts = :max_attempts, timeout_us = :timeout_us,
    tags = :tags, meta = :meta, title = :title, constraints = :constraints, deadline = :deadline, queue = :queue,
    run_at = iif(last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at, :run_at, run_at),
    run_at_boot = iif(last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at, :run_at_boot, run_at_boot),
    boot_id = iif(last_attempt_at IS NULL OR run_at IS NULL OR run_at < :run_at, :boot_id, boot_id),
    updated_at = :now
WHERE id = :id AND status = 'PENDING'
