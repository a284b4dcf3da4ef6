UPDATE sync_queue
SET resource = :resource, hold = nullif(hold, 'no synced table has this name'),
    key = CASE
        WHEN local_id IS NULL THEN to_jsonb(id)
        ELSE windlass_sync_key(local_id, :numeric)
    END
WHERE resource IS NULL AND table_name = :table
RETURNING key
