SELECT id, at, who, action, subject, details, outcome FROM windlass_audit
WHERE id < ?1 AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR who = ?3)
ORDER BY id DESC LIMIT ?4
