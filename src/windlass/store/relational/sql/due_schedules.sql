SELECT name, job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn,
       EXISTS (SELECT 1 FROM background_service_jobs INDEXED BY windlass_jobs_unique
               WHERE unique_key = 'schedule:' || windlass_schedules.name AND unique_key IS NOT NULL
                 AND (status = 'PENDING' OR status = 'RUNNING'))
FROM windlass_schedules INDEXED BY windlass_schedules_due
WHERE NOT paused AND next_at IS NOT NULL AND boot_id = ?1 AND next_at_boot <= ?2
ORDER BY next_at_boot
