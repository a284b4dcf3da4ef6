SELECT id, at, who, action, subject, details, outcome FROM windlass_audit
WHERE id < ?1 AND (?2::text IS NULL OR action = ?2::text) AND (?3::text IS NULL OR who = ?3::text)
ORDER BY id DESC LIMIT ?4
