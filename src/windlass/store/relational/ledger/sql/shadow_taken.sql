UPDATE windlass_sync_shadows SET row = ?, version = ? WHERE resource = ? AND key = ?
