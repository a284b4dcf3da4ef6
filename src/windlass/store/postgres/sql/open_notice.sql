INSERT INTO windlass_notifications AS known (subject, event, fields, told_at) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE SET times = known.times + 1
RETURNING times
