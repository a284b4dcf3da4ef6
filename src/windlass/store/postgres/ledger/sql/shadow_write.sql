INSERT INTO windlass_sync_shadows AS s (resource, key, row, version, remote_id, extra, generation)
SELECT ?, told.key::jsonb, told.row, told.version, told.remote_id, told.extra, ?
FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[]) AS told (key, row, version, remote_id, extra)
ON CONFLICT (resource, key) DO UPDATE SET
    row = excluded.row, version = excluded.version, remote_id = excluded.remote_id, extra = excluded.extra,
    generation = greatest(s.generation, excluded.generation)
