DELETE FROM windlass_limits WHERE kind = ? AND name = ?
