"""The background service: how it is started, kept alive, spoken with and stopped.

Three kinds of process, each the parent of the next:

- the *supervisor* holds ``service.lock`` for as long as the service lives, keeps one dispatcher alive, and
  is otherwise nothing: about four megabytes of its own memory, no import of ours but the OS seam;
- the *dispatcher* loads the program, claims and settles jobs, and answers on ``service.sock``;
- the *isolates* run handlers.

Who may touch what: the supervisor never opens the database; the dispatcher never takes the lock; a program
that looks on reads the lock file's text and speaks through the socket, and signals the supervisor alone.
A parent's death, by whatever means, ends its children: the kernel is asked to see to it where it can, and
every child also watches a pipe whose other end dies with its parent.

How the dispatcher ends tells the supervisor what to do: code 0, it was asked to stop: end the service; code
3, it could not start and has written why; code 5, likewise, and it was for the database, which may come back;
anything else, a crash: start another at once, later and later when it keeps dying young.
"""

from __future__ import annotations

LOCK = "service.lock"
"""The file in the state folder that the supervisor holds locked; its text is one line of JSON."""
START_FAILED = 3
"""Exit code: it could not start, and has said why."""
ALREADY_RUNNING = 4
"""Exit code of a supervisor that found the lock taken."""
DATABASE_AWAY = 5
"""Exit code: it could not start, as the database cannot be used now, and has said so."""
SUPERVISED = "WINDLASS_SUPERVISED"
"""The variable by which a dispatcher learns ``<parent pid>,<life pipe>,<status pipe>``; it removes it."""
