DELETE FROM windlass_schedules WHERE name = ?
