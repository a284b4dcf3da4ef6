INSERT INTO sync_queue (type, table_name, local_id, data, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id
