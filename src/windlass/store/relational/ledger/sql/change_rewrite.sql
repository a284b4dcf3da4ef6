UPDATE sync_queue SET data = ? WHERE seq = ?
