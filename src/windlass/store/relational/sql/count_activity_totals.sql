SELECT count(*) FROM windlass_activity_totals
