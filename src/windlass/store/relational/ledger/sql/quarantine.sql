INSERT INTO windlass_sync_quarantine (resource, remote_id, document, reason, seen_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (resource, remote_id) DO UPDATE SET
    document = excluded.document, reason = excluded.reason, seen_at = excluded.seen_at
