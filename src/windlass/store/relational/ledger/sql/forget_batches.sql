DELETE FROM windlass_sync_batches WHERE resource = ?
