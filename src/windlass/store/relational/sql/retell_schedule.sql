UPDATE windlass_schedules SET next_at = next_at_boot + ?3, turn = turn + 1
WHERE name = ?1 AND turn = ?2
