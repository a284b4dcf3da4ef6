-- All of them are one page.
SELECT CASE WHEN ?2 = 0 AND ?1 > 0 AND ?3 > 0 THEN 1 END
