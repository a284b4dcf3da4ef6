DELETE FROM windlass_audit WHERE id <= ?
