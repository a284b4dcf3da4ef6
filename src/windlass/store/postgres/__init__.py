"""The store in a PostgreSQL database: one engine below the roles of ``store/relational``.

Who excludes whom:

* A turn that changes more than rows of its own (flows, unique keys, limits, bulk management, upkeep) holds an
  advisory lock of this schema alone, so that what it reads stays true until it commits.
* Settling and claiming share that lock: many dispatchers work at once. They own the rows they settle, and
  skip the rows that others claim.
* A plain insert takes no lock, nor does a caller's open transaction: it locks the rows that it depends on.

NOTIFY only ever hurries somebody who would have looked anyway. Where a pooler or another server cannot do
these, ``?windlass_hints=off`` puts one row of ``windlass_meta`` in the place of the advisory lock, for all
programs of a database or for none: see ``locks.py``.
"""
