SELECT key, base, mine, theirs FROM windlass_sync_conflicts WHERE resource = ?
