INSERT INTO windlass_audit (at, who, action, subject, details, outcome) VALUES (?, ?, ?, ?, ?, ?)
