SELECT seq, key FROM windlass_journal WHERE +resource = ? AND seq <= ? ORDER BY seq LIMIT ?
