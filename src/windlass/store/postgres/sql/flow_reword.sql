-- Says why children wait: for the first parent that did not complete and will not, or for how many. One that is gone
-- is not in the way of who once got past it: it is, where fewer are left than are waited for.
UPDATE background_service_jobs AS job
SET updated_at = :now, hold = coalesce(
    (SELECT CASE
        WHEN parent.id IS NULL THEN 'parent ' || bond.parent || ' was deleted'
        WHEN parent.status = 'CANCELLED' THEN 'parent ' || parent.id || ' (' || parent.job_key || ') was CANCELLED'
        WHEN parent.last_error IS NULL THEN 'parent ' || parent.id || ' (' || parent.job_key || ') FAILED'
        ELSE 'parent ' || parent.id || ' (' || parent.job_key || ') FAILED: '
             || left(split_part(parent.last_error, chr(10), 1), 200) END
     FROM windlass_dependencies AS bond LEFT JOIN background_service_jobs AS parent ON parent.id = bond.parent
     WHERE bond.child = job.id
       AND (parent.status = 'FAILED' OR parent.status = 'CANCELLED'
            OR (parent.id IS NULL AND job.waits_for > (
                SELECT count(*)
                FROM windlass_dependencies AS other JOIN background_service_jobs AS rest ON rest.id = other.parent
                WHERE other.child = bond.child AND rest.status <> 'COMPLETED')))
     ORDER BY bond.position LIMIT 1),
    'waits for ' || waits_for || ' job' || CASE WHEN waits_for = 1 THEN '' ELSE 's' END)
WHERE id = ANY(ARRAY(
        SELECT id FROM background_service_jobs
        WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(:children::jsonb)::bigint)) ORDER BY id FOR UPDATE))
  AND status = 'PENDING' AND waits_for > 0
  AND (:anyway::bigint <> 0 OR hold LIKE 'waits for %')
