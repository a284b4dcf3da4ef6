"""The ledger of sync in an SQLite file: see ``store/ledger.py`` for its verbs.

Who may touch what:

* Triggers of ours on a synced table write key and operation to ``windlass_journal``, on anybody's connection,
  in the transaction of the edit. They call no function that another program's SQLite might lack.
* A row in ``windlass_sync_silence`` stops them; ``writing.py`` puts it there and takes it away in one
  transaction.
* ``sync_queue`` may be written by anybody; a trigger of its own says what a plain INSERT left open, and
  journals its key, which is what wakes the push.
* Everything else is ours alone. The journal's numbers grow for ever: a look remembers the last one, and an
  edit is newer than the look if its number is higher.
"""
