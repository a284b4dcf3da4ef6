SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'windlass_sync_arrivals' AND :resource > 0), 0)
