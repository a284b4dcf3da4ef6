SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_runs
WHERE unique_key = ?
    AND ((unique_key >= 'schedule:' AND unique_key < 'schedule;')
      OR (unique_key >= 'windlass.sync.' AND unique_key < 'windlass.sync/'))
ORDER BY id DESC LIMIT ?
