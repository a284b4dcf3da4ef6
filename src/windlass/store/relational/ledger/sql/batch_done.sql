DELETE FROM windlass_sync_batches WHERE number = ? AND size = ? RETURNING number
