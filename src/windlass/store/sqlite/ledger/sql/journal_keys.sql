SELECT key, min(seq) AS first
FROM (SELECT key, seq FROM windlass_journal WHERE +resource = ? ORDER BY seq LIMIT ?)
GROUP BY key ORDER BY first LIMIT ?
