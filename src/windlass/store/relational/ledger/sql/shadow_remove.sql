DELETE FROM windlass_sync_shadows WHERE resource = ? AND key = ?
