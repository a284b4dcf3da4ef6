INSERT INTO windlass_sync_shadows (resource, key, row, version, remote_id, extra, generation)
SELECT ?, told.key::jsonb, told.row, told.version, told.remote_id, told.extra, ?
FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[]) AS told (key, row, version, remote_id, extra)
