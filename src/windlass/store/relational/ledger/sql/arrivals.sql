SELECT seq, keys FROM windlass_sync_arrivals WHERE resource = ? AND seq > ? ORDER BY seq
