SELECT remote_id, key FROM windlass_sync_shadows WHERE resource = ? AND remote_id IN (:keys)
