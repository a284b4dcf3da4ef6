-- Parents that had completed are to run again, or are gone: who still waits for others waits for them, too.
UPDATE background_service_jobs SET waits_for = waits_for + again.parents
FROM (SELECT bond.child AS child, count(*) AS parents
      FROM json_each(?) AS parent CROSS JOIN windlass_dependencies AS bond ON bond.parent = parent.value
      GROUP BY bond.child) AS again
WHERE id = again.child AND waits_for > 0
