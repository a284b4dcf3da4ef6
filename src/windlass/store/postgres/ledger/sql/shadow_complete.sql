UPDATE windlass_sync_shadows
SET row = left(row, -1) || CASE row WHEN '{}' THEN '' ELSE ',' END || substr(?1, 3) || ':' || ?2 || '}'
WHERE resource = ?3 AND ?4 < ?5 AND position(substr(?1, 3) || ':' IN row) = 0
