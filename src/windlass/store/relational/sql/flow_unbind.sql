DELETE FROM windlass_dependencies WHERE child IN (SELECT value FROM json_each(?))
