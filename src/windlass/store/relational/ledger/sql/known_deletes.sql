SELECT key FROM sync_queue WHERE resource = ? AND key IN (:keys) AND type = 'delete' AND captured = 1
