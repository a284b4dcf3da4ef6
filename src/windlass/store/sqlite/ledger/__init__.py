"""What the ledger of sync does in a way of its own in an SQLite file; all else is in ``relational/ledger``.

A row in ``windlass_sync_silence`` stops the triggers; a write puts it there and takes it away in one
transaction. The triggers call no function that another program's SQLite might lack. The journal's numbers
grow for ever: a look remembers the last one, and an edit is newer than the look if its number is higher,
since one writer at a time makes them.
"""
