SELECT key FROM windlass_sync_conflicts WHERE resource = ? AND key IN (:keys)
