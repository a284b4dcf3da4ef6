SELECT number, look, sealed_at, mutations, keys, operations, versions, data
FROM windlass_sync_batches WHERE resource = ? ORDER BY number
