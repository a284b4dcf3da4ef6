SELECT hashtextextended(coalesce(string_agg(told, ' ' ORDER BY told), ''), 0)
FROM (
    SELECT format('%s %s %s %s %s', attrelid, attname, atttypid, attnotnull, atthasdef) AS told
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY(current_schemas(false))) AND relkind IN ('r', 'p')
        AND relname NOT LIKE 'windlass\_%' AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT format('%s %s %s', t.oid, tgenabled, tgrelid)
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY(current_schemas(false))) AND NOT tgisinternal
) AS parts
