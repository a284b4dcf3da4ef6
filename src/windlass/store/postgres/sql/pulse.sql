-- It lives; and it leads where it did already, or where who led has been silent for too long. One row tells who leads,
-- and it is locked only by who may take it over. Nobody waits for the disk or a standby: it is said again soon.
WITH moment AS (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), seen AS (
    UPDATE windlass_dispatchers SET seen_at = now_us FROM moment WHERE id = :owner RETURNING id
), led AS (
    INSERT INTO windlass_meta (name, value)
    SELECT 'leader', id::text FROM seen, moment
    WHERE NOT EXISTS (
        SELECT 1 FROM windlass_meta AS m JOIN windlass_dispatchers AS d ON d.id::text = m.value
        WHERE m.name = 'leader' AND d.seen_at > now_us - :silent)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
    WHERE NOT EXISTS (
        SELECT 1 FROM windlass_dispatchers AS d
        WHERE d.id::text = windlass_meta.value
          AND d.seen_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - :silent)
    RETURNING value
)
SELECT EXISTS (SELECT 1 FROM seen),
       EXISTS (SELECT 1 FROM seen)
       AND coalesce((SELECT value FROM led), (SELECT value FROM windlass_meta WHERE name = 'leader'))
           = (:owner)::bigint::text,
       coalesce((SELECT paused FROM windlass_hosts WHERE host = :host), 0),
       coalesce((SELECT draining FROM windlass_hosts WHERE host = :host), 0),
       EXISTS (SELECT 1 FROM windlass_dispatchers WHERE id <> :owner),
       set_config('synchronous_commit', 'off', true)
