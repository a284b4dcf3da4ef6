DELETE FROM sync_queue WHERE resource = ? AND seq = ?
