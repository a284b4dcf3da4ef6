DELETE FROM windlass_journal WHERE resource = ? AND key = ? AND seq <= ?
