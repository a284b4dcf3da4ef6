SELECT EXISTS (SELECT 1 FROM windlass_dependencies)
