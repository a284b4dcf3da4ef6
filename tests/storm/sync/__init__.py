"""The storm of sync: replicas of one server under edits, ``kill -9`` and a bad network, judged from outside.

Who writes what, and who may believe it:

* Editors, which know nothing of Windlass, edit the tables of a replica by plain SQL. Each appends to
  ``editor-<name>.log``: a *try* for each row, written inside the transaction (so their order is the order of
  the commits), and an *ack* after the commit. A try without an ack may have happened or not.
* The server notes every write that reached it, what it answered, and what became of it, in ``server.log``. It
  is never killed: what it keeps is the truth. Its network is another for each replica, and bad.
* The driver writes ``decisions.log``: what it answered where a replica asked about a conflict.

Every edit sets values that no other edit ever sets, so each value tells who wrote it and when. ``checker``
reads the logs and the final tables with plain ``sqlite3``. It imports nothing of Windlass.
"""
