INSERT INTO windlass_sync_shadows (resource, generation, key, row, version, remote_id, extra)
VALUES :rows
