DELETE FROM windlass_activity WHERE minute = ? AND owner = ? AND queue = ? AND job_key = ?
