-- By place: to bind twenty names takes as long as all the rest.
INSERT INTO sync_queue
    (seq, id, type, table_name, local_id, data, created_at, retry_count, status, error_message, last_attempt,
     resource, key, captured, mutation_id, base_version, due_at, conflicts, hold, problem)
VALUES
    (?1,
     coalesce(nullif(?2, ''), lower(
         hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'
         || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
     ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT (seq) DO UPDATE SET
    type = excluded.type, data = excluded.data, retry_count = excluded.retry_count, status = excluded.status,
    error_message = excluded.error_message, last_attempt = ifnull(excluded.last_attempt, last_attempt),
    mutation_id = excluded.mutation_id, base_version = excluded.base_version, due_at = excluded.due_at,
    conflicts = excluded.conflicts, hold = excluded.hold, problem = excluded.problem
