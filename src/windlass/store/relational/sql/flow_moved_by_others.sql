-- Does one of these jobs wait for a job that is none of them and is not over?
SELECT EXISTS (
    SELECT 1
    FROM json_each(?1) AS given
    CROSS JOIN background_service_jobs AS child ON child.id = given.value
    CROSS JOIN windlass_dependencies AS bond ON bond.child = child.id
    CROSS JOIN background_service_jobs AS parent ON parent.id = bond.parent
    WHERE child.status = 'PENDING' AND child.waits_for > 0
      AND (parent.status = 'RUNNING' OR parent.status = 'PENDING')
      AND bond.parent NOT IN (SELECT value FROM json_each(?1)))
