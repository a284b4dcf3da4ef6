UPDATE windlass_sync_shadows SET row = ? WHERE resource = ? AND key = ?
