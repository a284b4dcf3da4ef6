-- The children of those among these jobs that ended without completing.
SELECT DISTINCT bond.child
FROM json_each(?) AS given
CROSS JOIN windlass_dependencies AS bond ON bond.parent = given.value
CROSS JOIN background_service_jobs AS parent ON parent.id = bond.parent
WHERE parent.status = 'FAILED' OR parent.status = 'CANCELLED'
