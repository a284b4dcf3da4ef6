SELECT seq, key, data FROM sync_queue WHERE resource = ? AND captured = 1 AND seq > ? ORDER BY seq LIMIT ?
