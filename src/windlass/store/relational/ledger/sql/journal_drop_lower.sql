DELETE FROM windlass_journal WHERE resource = 0 AND seq < ?
