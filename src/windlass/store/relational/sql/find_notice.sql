SELECT 1 FROM windlass_notifications WHERE subject = ?
