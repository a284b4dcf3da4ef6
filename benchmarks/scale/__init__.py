"""How far one PostgreSQL goes, and several: costs as measured, and a simulation that uses them."""
