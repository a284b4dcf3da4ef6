SELECT child.id, child.job_key, child.status, child.hold, child.waits_for
FROM windlass_dependencies AS bond CROSS JOIN background_service_jobs AS child ON child.id = bond.child
WHERE bond.parent = ? ORDER BY bond.child LIMIT ?
