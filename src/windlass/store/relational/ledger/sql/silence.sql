INSERT INTO windlass_sync_silence (resource) VALUES (?)
