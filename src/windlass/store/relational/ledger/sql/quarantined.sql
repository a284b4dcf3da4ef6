SELECT remote_id, document, reason, seen_at FROM windlass_sync_quarantine
WHERE resource = ? ORDER BY remote_id LIMIT ?
