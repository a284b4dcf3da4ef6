-- Says why children wait: for the first parent that did not complete and will not, or for how many. One that is gone
-- is not in the way of who once got past it: it is, where fewer are left than are waited for.
UPDATE background_service_jobs
SET updated_at = :now, hold = coalesce(
    (SELECT CASE
        WHEN parent.id IS NULL THEN printf('parent %d was deleted', bond.parent)
        WHEN parent.status = 'CANCELLED' THEN printf('parent %d (%s) was CANCELLED', parent.id, parent.job_key)
        WHEN parent.last_error IS NULL THEN printf('parent %d (%s) FAILED', parent.id, parent.job_key)
        ELSE printf('parent %d (%s) FAILED: %s', parent.id, parent.job_key, substr(parent.last_error, 1, min(
            200, ifnull(nullif(instr(parent.last_error, char(10)), 0) - 1, 200)))) END
     FROM windlass_dependencies AS bond LEFT JOIN background_service_jobs AS parent ON parent.id = bond.parent
     WHERE bond.child = background_service_jobs.id
       AND (parent.status = 'FAILED' OR parent.status = 'CANCELLED'
            OR (parent.id IS NULL AND background_service_jobs.waits_for > (
                SELECT count(*)
                FROM windlass_dependencies AS other CROSS JOIN background_service_jobs AS rest ON rest.id = other.parent
                WHERE other.child = bond.child AND rest.status <> 'COMPLETED')))
     ORDER BY bond.position LIMIT 1),
    printf('waits for %d job%s', waits_for, iif(waits_for = 1, '', 's')))
WHERE id IN (SELECT value FROM json_each(:children)) AND status = 'PENDING' AND waits_for > 0
  AND (:anyway OR hold GLOB 'waits for *')
