SELECT key FROM windlass_journal WHERE resource = ? AND key IN (:keys) AND op IN ('delete', 'rename')
