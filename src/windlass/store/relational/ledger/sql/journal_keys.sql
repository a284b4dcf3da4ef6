SELECT key FROM windlass_journal WHERE +resource = ? ORDER BY seq LIMIT ?
