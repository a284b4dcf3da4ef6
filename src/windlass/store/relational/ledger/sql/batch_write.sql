INSERT INTO windlass_sync_batches
    (resource, look, size, sealed_at, mutations, keys, operations, versions, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING number
