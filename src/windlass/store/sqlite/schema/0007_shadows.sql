-- Each row that a pull brings paid for this index, and only the sweep at the end of a complete enumeration used it.
-- A sweep reads every shadow of its resource once, in the order of their keys.
DROP INDEX windlass_shadows_by_generation;
