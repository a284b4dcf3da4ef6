DELETE FROM windlass_sync_arrivals WHERE resource = ?
