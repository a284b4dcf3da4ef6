SELECT bond.parent, parent.job_key, parent.status, parent.hold, parent.waits_for
FROM windlass_dependencies AS bond LEFT JOIN background_service_jobs AS parent ON parent.id = bond.parent
WHERE bond.child = ?1 AND (?2::bigint = 0 OR parent.status IS DISTINCT FROM 'COMPLETED')
ORDER BY bond.position LIMIT ?3
