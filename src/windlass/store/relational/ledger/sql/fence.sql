UPDATE windlass_sync_resources SET fence = fence + 1 WHERE id = ? RETURNING fence
