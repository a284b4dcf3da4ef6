-- An entry that is committed and of a transaction beyond all of this server's was brought here from another one.
SELECT DISTINCT key FROM windlass_journal
WHERE resource = ?1 AND born >= pg_snapshot_xmin(?2::pg_snapshot)
    AND NOT pg_visible_in_snapshot(born, ?2::pg_snapshot) AND born < pg_snapshot_xmax(pg_current_snapshot())
