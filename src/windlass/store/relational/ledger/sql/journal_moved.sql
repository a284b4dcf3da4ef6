SELECT DISTINCT key FROM windlass_journal WHERE +resource = ? AND seq > ?
