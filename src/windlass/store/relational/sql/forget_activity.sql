-- A few minutes of them at a time: after a long rest there may be two days' worth.
DELETE FROM windlass_activity
WHERE minute < ?1 AND minute < (SELECT min(minute) FROM windlass_activity) + 10
