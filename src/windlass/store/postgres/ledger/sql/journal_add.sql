INSERT INTO windlass_journal (resource, key, op) VALUES (?, to_jsonb(?), ?)
