-- How many entries of the index of ready work this session has visited, those of jobs long gone among them.
SELECT coalesce(pg_stat_get_xact_tuples_returned(to_regclass('windlass_jobs_ready')), 0),
       (SELECT coalesce(max(id), 0) FROM background_service_jobs)
