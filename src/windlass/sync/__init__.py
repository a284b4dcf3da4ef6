"""Sync: local edits are pushed in order, remote changes are pulled in, conflicts are shown.

The values are in ``windlass/change.py``; ``merge.py`` and ``reconcile.py`` are the logic, without a
database; ``push.py`` and ``pull.py`` walk through the cycle; ``remote.py`` says what the other side must do,
and ``rest.py`` does it over HTTP. ``store/ledger.py`` is the contract with the database. Promises kept here:

* P2: a change is sealed, with its mutation id, in a commit before it is sent, and resent as it was.
* P3: only a definite answer of the remote settles a change.
* P4, P5: order holds for each row alone; an edit made while its row is sent stays queued.
* P6: what is not the server's answer counts no attempt.
* L1: a page and the cursor behind it are one commit.
* L2: a pull puts pending columns on top of what it brings.
"""
