SELECT seq, data FROM sync_queue WHERE resource = ? AND key IN (:keys)
