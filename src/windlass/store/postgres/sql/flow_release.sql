-- Counts completed parents off their children, and lets those go that wait for no other. A delay is counted from
-- here on: until now it stood in run_at_boot, without a boot. The children are locked in the order of their ids, so
-- that two turns that complete parents of the same ones wait for one another, and not both.
WITH gone AS MATERIALIZED (
    SELECT bond.child AS child, count(*) AS parents
    FROM windlass_dependencies AS bond
    WHERE bond.parent = ANY(ARRAY(SELECT jsonb_array_elements_text(:parents::jsonb)::bigint))
    GROUP BY bond.child),
locked AS MATERIALIZED (
    SELECT id FROM background_service_jobs WHERE id IN (SELECT child FROM gone) ORDER BY id FOR UPDATE)
UPDATE background_service_jobs AS job
SET waits_for = waits_for - gone.parents,
    hold = CASE
        WHEN waits_for <= gone.parents THEN NULL
        WHEN hold LIKE 'waits for %' THEN
            'waits for ' || (waits_for - gone.parents) || ' job'
            || CASE WHEN waits_for - gone.parents = 1 THEN '' ELSE 's' END
        ELSE hold END,
    run_at = CASE WHEN waits_for <= gone.parents AND run_at IS NULL THEN :now_us + run_at_boot ELSE run_at END,
    boot_id = CASE WHEN waits_for <= gone.parents AND run_at IS NULL AND run_at_boot IS NOT NULL
              THEN :boot_id ELSE boot_id END,
    run_at_boot = CASE WHEN waits_for <= gone.parents AND run_at IS NULL
                  THEN :boot_us + run_at_boot ELSE run_at_boot END,
    updated_at = :now
FROM gone JOIN locked ON locked.id = gone.child
WHERE job.id = gone.child AND waits_for > 0
RETURNING waits_for <= 0
