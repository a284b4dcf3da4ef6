-- A sequence gives no number twice.
SELECT NULL WHERE :resource > 0 UNION ALL SELECT NULL
