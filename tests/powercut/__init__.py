"""Power cuts: the real store, replayed at every write and sync it ever asked the disk for.

``recorder`` stands between SQLite and the disk as its default VFS, so the store's own ``sqlite3``
connections go through it without knowing; it writes down each write, truncation, sync and deletion.
``scripts`` drives the store through its verbs and says, before and after each, what may be found in the
file (``promises``). ``disk`` then rebuilds what a disk may hold had the power failed at any of those points:
what was synced is there; of the rest anything may be missing, torn at a sector, or out of order. ``replay``
opens each such image with plain ``sqlite3`` and compares it with what had been promised by then.

``faults`` uses the same VFS to let writes and syncs fail for a while: what the store says meanwhile must be
true, and it must go on when the disk is well again.

The recorder needs an ``apsw`` that shares its SQLite with the ``sqlite3`` module of the same Python, as
Debian's own packages do. So both run in ``/usr/bin/python3``; ``launch`` starts them from any other.
"""
