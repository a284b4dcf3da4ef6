-- How much of the index of ready work this session has visited: entries, those of jobs long gone among them, and pages.
SELECT (SELECT coalesce(max(id), 0) FROM background_service_jobs),
       coalesce(pg_stat_get_xact_tuples_returned(ready), 0), coalesce(pg_stat_get_xact_blocks_fetched(ready), 0)
FROM to_regclass('windlass_jobs_ready') AS of (ready)
