SELECT count(*) FROM windlass_activity_spans WHERE minutes = ? AND minute = ?
