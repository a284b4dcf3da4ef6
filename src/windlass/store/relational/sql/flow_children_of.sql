SELECT DISTINCT bond.child
FROM json_each(?) AS given CROSS JOIN windlass_dependencies AS bond ON bond.parent = given.value
