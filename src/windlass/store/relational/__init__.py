"""The roles of a store, for every database that speaks SQL: what a verb does, and in which statements.

``engine.py`` is what they ask of the database. ``sql/`` has the statements, each in a file of its own.
"""
