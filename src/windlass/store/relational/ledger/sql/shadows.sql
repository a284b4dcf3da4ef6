SELECT key, row, version, remote_id, extra FROM windlass_sync_shadows WHERE resource = ? AND key IN (:keys)
