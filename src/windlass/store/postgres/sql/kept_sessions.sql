-- The dispatchers of this schema whose sessions are there: each holds an advisory lock of 64 bits, of which the upper
-- half is the schema's number and the lower half the dispatcher's.
SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
  AND classid::bigint = hashtext(current_schema())::bigint & 4294967295
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
