-- Those in line for a unique key, or of them only those who are held there for good.
UPDATE background_service_jobs
SET status = 'CANCELLED', reason = 'replaced', finished_at = ?1, updated_at = ?2
WHERE unique_next = ?3 AND unique_next IS NOT NULL AND status = 'PENDING'
  AND (?4::bigint <> 0 OR hold NOT IN (?5, ?6))
RETURNING id
