SELECT EXISTS (SELECT 1 FROM windlass_dispatchers WHERE id = ?1),
       coalesce((SELECT paused FROM windlass_hosts WHERE host = ?2), 0),
       coalesce((SELECT draining FROM windlass_hosts WHERE host = ?2), 0)
