-- Is there a limit, for one of these lanes, that all dispatchers together have to keep?
SELECT EXISTS (SELECT 1 FROM windlass_queues WHERE concurrency IS NOT NULL AND queue = ANY(%(queues)s::text[]))
    OR EXISTS (SELECT 1 FROM windlass_limits
               WHERE name = ANY(CASE WHEN kind = 'queue' THEN %(queues)s::text[] ELSE %(keys)s::text[] END))
