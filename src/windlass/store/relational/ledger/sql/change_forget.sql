DELETE FROM sync_queue WHERE seq IN (SELECT seq FROM sync_queue WHERE resource = ? LIMIT ?)
