SELECT id, "table", "from", "to", count(*) FROM pragma_foreign_key_list(?) GROUP BY id ORDER BY id
