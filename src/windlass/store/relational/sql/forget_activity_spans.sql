-- The oldest few of them at a time: after a long rest there may be hours' worth.
DELETE FROM windlass_activity_spans
WHERE minutes = ?1 AND minute < ?2
  AND minute < (SELECT min(minute) FROM windlass_activity_spans WHERE minutes = ?1) + 5 * ?1
