SELECT
    (SELECT count(*) FROM windlass_sync_shadows WHERE resource = :resource),
    (SELECT count(*) FROM sync_queue WHERE resource = :resource AND status = 'pending' AND hold IS NULL),
    (SELECT count(*) FROM sync_queue
     WHERE resource = :resource AND status = 'pending' AND hold IS NULL
         AND (mutation_id IS NULL) = 0),
    (SELECT count(*) FROM sync_queue WHERE resource = :resource AND status = 'pending' AND hold IS NOT NULL),
    (SELECT count(*) FROM sync_queue WHERE resource = :resource AND status = 'failed' AND hold IS NOT 'discarded'),
    (SELECT count(*) FROM windlass_sync_conflicts WHERE resource = :resource),
    (SELECT count(*) FROM windlass_sync_quarantine WHERE resource = :resource),
    (SELECT count(*) FROM (SELECT DISTINCT key FROM windlass_journal WHERE resource = :resource) AS j
     WHERE NOT EXISTS (
         SELECT 1 FROM sync_queue AS q
         WHERE q.resource = :resource AND q.key = j.key AND mutation_id IS NULL)),
    (SELECT created_at FROM sync_queue
     WHERE seq = (SELECT min(seq) FROM (
         SELECT (SELECT seq FROM sync_queue
                 WHERE resource = :resource AND status = 'pending' AND hold IS NULL
                     AND (mutation_id IS NULL) = 0
                 ORDER BY seq LIMIT 1) AS seq
         UNION ALL
         SELECT (SELECT seq FROM sync_queue
                 WHERE resource = :resource AND status = 'pending' AND hold IS NULL
                     AND (mutation_id IS NULL) = 1
                 ORDER BY seq LIMIT 1)
         UNION ALL
         SELECT (SELECT seq FROM sync_queue
                 WHERE resource = :resource AND status = 'pending' AND hold IS NOT NULL
                 ORDER BY seq LIMIT 1)))),
    (SELECT ifnull(sum(size), 0) FROM windlass_sync_batches WHERE resource = :resource),
    (SELECT min(sealed_at) FROM windlass_sync_batches WHERE resource = :resource),
    -- Behind a change of their row that failed: of those there are few, as a rule none.
    (SELECT count(DISTINCT later.seq)
     FROM sync_queue AS failed CROSS JOIN sync_queue AS later
     WHERE failed.resource = :resource AND failed.status = 'failed'
         AND later.resource = :resource AND later.key = failed.key AND later.seq > failed.seq
         AND later.status = 'pending' AND later.hold IS NULL)
