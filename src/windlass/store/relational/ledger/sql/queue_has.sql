SELECT 1 FROM sync_queue WHERE resource = ? LIMIT 1
