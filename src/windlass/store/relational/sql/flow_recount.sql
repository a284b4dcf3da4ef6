-- For children that are to run again. A parent that is gone stands in the way of who never got past it.
UPDATE background_service_jobs SET waits_for = (
    SELECT count(*)
    FROM windlass_dependencies AS bond LEFT JOIN background_service_jobs AS parent ON parent.id = bond.parent
    WHERE bond.child = background_service_jobs.id
      AND (parent.status <> 'COMPLETED' OR (parent.id IS NULL AND background_service_jobs.waits_for > 0)))
WHERE id IN (SELECT value FROM json_each(?)) AND waits_for IS NOT NULL
