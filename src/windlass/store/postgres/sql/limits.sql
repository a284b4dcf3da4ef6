-- All that may hold a claim back, in one statement, since most databases have none of it. What was set for a key comes
-- before what is declared. A queue's concurrency is kept with its switch.
SELECT 'queue', queue, paused, concurrency, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, pin FROM windlass_queues
WHERE paused <> 0 OR concurrency IS NOT NULL OR pin IS NOT NULL
UNION ALL
SELECT 'host', host, 1, NULL, NULL, NULL, NULL, NULL, NULL FROM windlass_hosts
UNION ALL
SELECT kind, name, 0, concurrency, rate, per_us, free_at, boot_id, NULL FROM windlass_limits WHERE kind <> 'declared'
UNION ALL
SELECT kind, name, 0, concurrency, rate, per_us, free_at, boot_id, NULL FROM windlass_limits WHERE kind = 'declared'
