SELECT ifnull(max(seq), 0) FROM windlass_journal
