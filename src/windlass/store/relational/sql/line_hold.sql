-- What one before them has become holds all that come after it, or lets them wait again. Not who follows however it ends.
UPDATE background_service_jobs SET hold = ?1, updated_at = ?2
WHERE id IN (
    SELECT id FROM background_service_jobs INDEXED BY windlass_jobs_unique_next
    WHERE unique_next = ?3 AND unique_next IS NOT NULL AND status = 'PENDING' AND id > ?4 AND hold <> ?5)
