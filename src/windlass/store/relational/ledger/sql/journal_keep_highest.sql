INSERT INTO windlass_journal (resource, key, op) VALUES (0, 0, 'highest')
