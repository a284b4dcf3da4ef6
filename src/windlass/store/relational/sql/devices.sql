SELECT owner, state, read_at FROM windlass_devices ORDER BY owner
