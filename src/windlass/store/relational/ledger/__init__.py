"""The ledger of sync, written once for every database that speaks SQL: see ``store/ledger.py`` for its verbs.

What differs in kind between databases is the ``Ground`` they stand on (``ground.py``): how a table is
described and captured, how its rows are read and written, who holds a resource, and what was edited since a
look.

Who may touch what:

* Triggers of ours on a synced table write key and operation to ``windlass_journal``, on anybody's connection,
  in the transaction of the edit. They are silenced for the transaction in which ``writing.py`` writes.
* ``sync_queue`` may be written by anybody; a trigger of its own says what a plain INSERT left open, and
  journals its key, which is what wakes the push.
* Everything else is ours alone.
"""
