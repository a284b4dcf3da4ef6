INSERT INTO windlass_journal (resource, key, op) VALUES (?, ?, ?)
