INSERT INTO windlass_sync_shadows (resource, key, row, version, remote_id, extra, generation)
VALUES :rows
