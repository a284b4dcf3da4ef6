SELECT key, row FROM windlass_sync_shadows WHERE resource = ? AND key > ? ORDER BY key LIMIT ?
