DELETE FROM windlass_devices WHERE owner = ?
