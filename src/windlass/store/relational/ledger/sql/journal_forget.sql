DELETE FROM windlass_journal
WHERE seq IN (SELECT seq FROM windlass_journal WHERE resource = ? LIMIT ?)
