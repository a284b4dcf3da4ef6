SELECT name, type, wr FROM pragma_table_list
WHERE schema = 'main' AND name = ? COLLATE NOCASE
