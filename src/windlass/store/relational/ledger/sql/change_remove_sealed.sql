DELETE FROM sync_queue
WHERE resource = ? AND key = ? AND captured = 1 AND mutation_id IS NOT NULL AND seq <> ?
