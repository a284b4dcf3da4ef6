-- Locked, so that nobody takes over before the end of this transaction.
SELECT id, table_name, definition, known_columns, ids, fence, paused, captured_at, state
FROM windlass_sync_resources
WHERE name = ?
FOR NO KEY UPDATE
