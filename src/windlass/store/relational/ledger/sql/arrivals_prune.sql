DELETE FROM windlass_sync_arrivals
WHERE resource = ?1 AND seq <= (
    SELECT seq FROM windlass_sync_arrivals WHERE resource = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)
