SELECT EXISTS (SELECT 1 FROM windlass_sync_shadows WHERE resource = ? AND remote_id IS NOT NULL)
