-- What it is to do next time. A run that goes on has its own; one that is to be repeated keeps its time.
UPDATE background_service_jobs
SET payload = :payload, priority = :priority, max_attempts = :max_attempts, timeout_us = :timeout_us,
    tags = :tags, meta = :meta, title = :title, constraints = :constraints, deadline = :deadline,
    queue = iif(status = 'PENDING', :queue, queue),
    run_at = iif(status = 'PENDING' AND (last_attempt_at IS NULL OR :later), :run_at, run_at),
    run_at_boot = iif(status = 'PENDING' AND (last_attempt_at IS NULL OR :later), :run_at_boot, run_at_boot),
    boot_id = iif(status = 'PENDING' AND (last_attempt_at IS NULL OR :later), :boot_id, boot_id),
    updated_at = :now
WHERE id = :id AND (status = 'PENDING' OR status = 'RUNNING')
