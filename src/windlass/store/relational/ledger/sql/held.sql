SELECT :columns FROM sync_queue
WHERE resource = ? AND status = 'pending' AND hold IS NOT NULL AND seq > ?
ORDER BY seq
LIMIT ?
