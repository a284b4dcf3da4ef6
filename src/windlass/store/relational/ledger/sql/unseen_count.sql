SELECT count(*) FROM windlass_sync_shadows WHERE resource = ? AND generation < ?
