INSERT INTO sync_queue
    (seq, id, type, table_name, local_id, data, created_at, retry_count, status, error_message, last_attempt,
     resource, key, captured, mutation_id, base_version, due_at, conflicts, hold, problem)
VALUES
    (coalesce(?1, nextval(pg_get_serial_sequence('sync_queue', 'seq'))),
     coalesce(nullif(?2, ''), gen_random_uuid()::text),
     ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, to_jsonb(?13), ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT (seq) DO UPDATE SET
    type = excluded.type, data = excluded.data, retry_count = excluded.retry_count, status = excluded.status,
    error_message = excluded.error_message,
    last_attempt = coalesce(excluded.last_attempt, sync_queue.last_attempt),
    mutation_id = excluded.mutation_id, base_version = excluded.base_version, due_at = excluded.due_at,
    conflicts = excluded.conflicts, hold = excluded.hold, problem = excluded.problem
