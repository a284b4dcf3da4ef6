-- Who waits for one of these jobs, which have not completed.
SELECT DISTINCT bond.child
FROM json_each(?) AS given
CROSS JOIN windlass_dependencies AS bond ON bond.parent = given.value
CROSS JOIN background_service_jobs AS parent ON parent.id = bond.parent
CROSS JOIN background_service_jobs AS child ON child.id = bond.child
WHERE parent.status <> 'COMPLETED' AND child.status = 'PENDING' AND child.waits_for > 0
