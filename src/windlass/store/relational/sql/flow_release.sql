-- Counts completed parents off their children, and lets those go that wait for no other. A delay is counted from
-- here on: until now it stood in run_at_boot, without a boot.
UPDATE background_service_jobs
SET waits_for = waits_for - gone.parents,
    hold = CASE
        WHEN waits_for <= gone.parents THEN NULL
        WHEN hold GLOB 'waits for *' THEN
            printf('waits for %d job%s', waits_for - gone.parents, iif(waits_for - gone.parents = 1, '', 's'))
        ELSE hold END,
    run_at = iif(waits_for <= gone.parents AND run_at IS NULL, :now_us + run_at_boot, run_at),
    boot_id = iif(waits_for <= gone.parents AND run_at IS NULL AND run_at_boot IS NOT NULL, :boot_id, boot_id),
    run_at_boot = iif(waits_for <= gone.parents AND run_at IS NULL, :boot_us + run_at_boot, run_at_boot),
    updated_at = :now
FROM (SELECT bond.child AS child, count(*) AS parents
      FROM json_each(:parents) AS parent CROSS JOIN windlass_dependencies AS bond ON bond.parent = parent.value
      GROUP BY bond.child) AS gone
WHERE id = gone.child AND waits_for > 0
RETURNING waits_for <= 0
