SELECT key, status FROM sync_queue
WHERE resource = ? AND captured = 1 AND type = 'insert' AND key IN (:keys)
