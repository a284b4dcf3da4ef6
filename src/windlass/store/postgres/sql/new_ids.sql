-- The sequence is looked up once, not for each id: that is what OFFSET is for.
SELECT nextval(known.name)
FROM (SELECT pg_get_serial_sequence('background_service_jobs', 'id')::regclass AS name OFFSET 0) AS known,
     generate_series(1, %s)
