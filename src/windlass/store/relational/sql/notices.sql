-- Few: what is wrong and was told.
SELECT subject, event, fields, told_at, times FROM windlass_notifications ORDER BY told_at DESC, subject LIMIT ?
