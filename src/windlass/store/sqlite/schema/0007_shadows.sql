-- Each row that a pull brings paid for this index, and only the sweep at the end of a complete enumeration used it,
-- which reads every shadow of its resource once as well as it would have read the index.
DROP INDEX windlass_shadows_by_generation;
