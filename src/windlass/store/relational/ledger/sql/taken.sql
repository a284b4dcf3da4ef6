-- Numbers come before all else: a key that an operation of foreign hands names may be anything.
SELECT max(key) FROM (
    SELECT max(key) AS key FROM windlass_sync_shadows WHERE resource = :resource AND key < ''
    UNION ALL SELECT max(key) FROM sync_queue WHERE resource = :resource AND key < ''
    UNION ALL SELECT max(key) FROM windlass_journal WHERE resource = :resource AND key < '')
