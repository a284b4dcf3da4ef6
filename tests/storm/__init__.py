"""The storm: a real service under ``kill -9``, judged from outside.

Who writes what, and who may believe it:

* Producers append to ``producer-<pid>.log``: a *try* before each enqueue, then an *ack*, a *refused*
  (the call raised and promises that nothing was written) or a *rollback*. A try with nothing after it is
  an unknown outcome: that job may exist or not, but only once and only whole.
* Handlers append to ``handler-<pid>.log``: a *start* as their first act, an *end* as their last. Every line
  is one ``write()`` to a file opened with O_APPEND, so it survives the death of its writer.
* The driver writes ``kills.log``: whom it killed or froze, and when.
* Triggers of our own in the database note every change of status, token or attempts. They belong to the
  same transactions as the changes, so nothing can commit past them.

``checker`` reads these and the final tables with plain ``sqlite3``. It imports nothing of Windlass: a
history that contradicts itself is a fault of the service, whatever the service believes about it.
"""
