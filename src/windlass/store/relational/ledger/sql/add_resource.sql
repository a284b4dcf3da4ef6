INSERT INTO windlass_sync_resources (name, table_name, definition, known_columns, ids, numeric_keys)
VALUES (?, ?, ?, ?, ?, ?)
