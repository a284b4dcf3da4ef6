UPDATE windlass_sync_shadows SET generation = ? WHERE resource = ? AND key = ? AND generation < ?
