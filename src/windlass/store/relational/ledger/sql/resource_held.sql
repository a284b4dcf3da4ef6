-- For who writes under its hold: where others write at the same time, the row is locked.
SELECT id, table_name, definition, known_columns, ids, fence, paused, captured_at, state
FROM windlass_sync_resources
WHERE name = ?
