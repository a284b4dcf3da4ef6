INSERT INTO windlass_sync_shadows (resource, generation, key, row, version, remote_id, extra)
VALUES :rows
ON CONFLICT (resource, key) DO UPDATE SET
    row = excluded.row, version = excluded.version, remote_id = excluded.remote_id, extra = excluded.extra,
    generation = max(generation, excluded.generation)
