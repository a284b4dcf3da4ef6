UPDATE windlass_sync_batches SET data = ? WHERE number = ?
