DELETE FROM windlass_journal WHERE +resource = ? AND seq BETWEEN ? AND ?
