SELECT :columns FROM sync_queue WHERE resource = ? AND key IN (:keys) ORDER BY seq
