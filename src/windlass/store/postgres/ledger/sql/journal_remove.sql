DELETE FROM windlass_journal
WHERE resource = ? AND key = ANY(ARRAY(SELECT jsonb_array_elements(?::jsonb)))
    AND (pg_visible_in_snapshot(born, ?::pg_snapshot) OR born >= pg_snapshot_xmax(pg_current_snapshot()))
