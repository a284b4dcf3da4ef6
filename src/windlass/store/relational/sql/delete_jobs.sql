-- A parent is kept until all its children are over: they may ask for its result.
DELETE FROM background_service_jobs
WHERE id IN (SELECT value FROM json_each(?)) AND status <> 'RUNNING' AND NOT EXISTS (
    SELECT 1 FROM windlass_dependencies AS bond CROSS JOIN background_service_jobs AS child ON child.id = bond.child
    WHERE bond.parent = background_service_jobs.id AND (child.status = 'PENDING' OR child.status = 'RUNNING'))
RETURNING id, status
