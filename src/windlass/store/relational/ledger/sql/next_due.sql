SELECT due_at FROM sync_queue AS q
WHERE resource = ? AND status = 'pending' AND hold IS NULL AND due_at > 0 AND due_at > ?
    AND NOT EXISTS (
        SELECT 1 FROM sync_queue AS earlier
        WHERE earlier.resource = q.resource AND earlier.key = q.key AND earlier.seq < q.seq)
ORDER BY due_at
LIMIT 1
