"""The store in one SQLite file.

``database.py`` owns the file: connections, the write lock, durability, the log. On it stand three roles, each
a class of its own: ``producing.py`` (enqueue), ``dispatching.py`` (claim, settle, upkeep) and ``managing.py``
(look, cancel, retry). ``store.py`` puts them together as the one ``Store``.
"""
