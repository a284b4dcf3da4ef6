UPDATE sync_queue
SET resource = :resource, hold = nullif(hold, 'no synced table has this name'),
    key = CASE
        WHEN :numeric AND CAST(CAST(key AS INTEGER) AS TEXT) = key THEN CAST(key AS INTEGER)
        ELSE key
    END
WHERE resource IS NULL AND table_name = :table COLLATE NOCASE
RETURNING key
