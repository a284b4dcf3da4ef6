INSERT INTO windlass_notifications (subject, event, fields, told_at) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE SET times = times + 1
RETURNING times
