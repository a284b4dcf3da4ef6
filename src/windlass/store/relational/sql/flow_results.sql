SELECT bond.parent, parent.job_key, parent.status, parent.result
FROM windlass_dependencies AS bond LEFT JOIN background_service_jobs AS parent ON parent.id = bond.parent
WHERE bond.child = ? ORDER BY bond.position
