"""What the ledger of sync does in its own way in a PostgreSQL database; all else is in ``relational/ledger``.

Others write while we do. So three things are not as in SQLite:

* A look is told by its snapshot, and an entry of the journal by the transaction that wrote it: numbers are
  given in one order and committed in another, and "up to the last number" would pass over an edit for ever.
* Somebody may edit a row between the moment when a write asks for edits and that when it locks the row. So it
  asks again when all its rows are written, and then nobody else can change them any more: where
  one was edited, everything is rolled back and done again.
* Writes of one resource follow one another by a lock of its row in ``windlass_sync_resources``, and so does
  who takes the resource over. Jobs wait for none of it.
"""
