SELECT key, remote_id FROM windlass_sync_shadows WHERE resource = ? AND key IN (:keys)
