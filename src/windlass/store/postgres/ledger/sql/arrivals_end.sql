SELECT coalesce(max(seq), 0) FROM windlass_sync_arrivals WHERE resource = :resource
