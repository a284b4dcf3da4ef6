DELETE FROM windlass_notifications WHERE subject = ?
