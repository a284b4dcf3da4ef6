INSERT INTO windlass_dependencies (parent, child, position) VALUES (?, ?, ?)
