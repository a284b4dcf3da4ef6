SELECT key, row FROM windlass_sync_shadows WHERE resource = ? ORDER BY key LIMIT ?
