-- How many entries of the index of ready work this session has visited, those of jobs long gone among them.
SELECT pg_stat_get_xact_tuples_returned(to_regclass('windlass_jobs_ready')), (SELECT max(id) FROM background_service_jobs)
