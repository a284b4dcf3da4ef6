UPDATE windlass_sync_shadows SET row = json_set(row, ?, json(?))
WHERE resource = ? AND rowid > ? AND rowid <= ? AND json_type(row, ?) IS NULL
