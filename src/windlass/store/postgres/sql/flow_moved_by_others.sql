-- Does one of these jobs wait for a job that is none of them and is not over?
SELECT EXISTS (
    SELECT 1
    FROM background_service_jobs AS child
    JOIN windlass_dependencies AS bond ON bond.child = child.id
    JOIN background_service_jobs AS parent ON parent.id = bond.parent
    WHERE child.id = ANY(ARRAY(SELECT jsonb_array_elements_text(?1::jsonb)::bigint))
      AND child.status = 'PENDING' AND child.waits_for > 0
      AND (parent.status = 'RUNNING' OR parent.status = 'PENDING')
      AND bond.parent <> ALL(ARRAY(SELECT jsonb_array_elements_text(?1::jsonb)::bigint)))
