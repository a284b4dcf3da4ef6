SELECT :columns FROM sync_queue AS q
WHERE resource = ? AND status = 'pending' AND hold IS NULL AND due_at <= ?
    AND NOT EXISTS (
        SELECT 1 FROM sync_queue AS earlier
        WHERE earlier.resource = q.resource AND earlier.key = q.key AND earlier.seq < q.seq)
ORDER BY mutation_id IS NULL, seq
LIMIT ?
