SELECT 1 FROM windlass_journal WHERE resource = ? LIMIT 1
