"""Workers: from a ready row to a settled one.

The dispatcher (``dispatcher.py``) alone talks to the queue tables. It claims jobs, places them in a *pool*
and settles what the pool reports, each turn in one transaction. A pool is one of three: isolates, which are
child processes (``isolates.py``), threads of this process (``threads.py``), or any
``concurrent.futures.Executor`` (``futures.py``). Whatever runs a job runs it through ``executor.py``:
resolve, perform, classify.

Invariants:

* A job is placed before the claim commits and sent after it; what cannot be sent goes back unspent.
* An isolate is given at most 5 ms of measured work ahead, and nothing behind a job whose length is not known.
* What has not started can be recalled at any moment: a job starts by taking its token from a socket, which
  the dispatcher can take back, and the kernel decides who was first. So a dead isolate's tokens still say
  which of its jobs never began.
* No user code runs in the dispatcher process, and nothing in the dispatcher waits for user code.
"""
