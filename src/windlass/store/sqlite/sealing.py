"""Fast commits reach the disk a moment later, also where no service is there to see to it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref

from windlass.errors import StoreError
from windlass.store.sqlite.database import Database

log = logging.getLogger("windlass.store")

SEAL_AFTER_S = 0.5


class Sealer:
    """Seals a database half a second after it is asked to; and at the end of the program."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._timer: threading.Timer | None = None
        """What will seal the commits so far …"""
        self._thread: threading.Timer | None = None
        """… and what does so now, or did."""

    def soon(self) -> None:
        """Called after each fast commit of this process."""
        if self._timer is None:
            _at_exit.add(self._database)
            timer = threading.Timer(SEAL_AFTER_S, self._seal)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError as error:
                # No more threads: the next commit tries again, the end of the program does in any case.
                log.warning("fast commits are not yet made durable: %s", error)
            else:
                self._timer = self._thread = timer

    def finish(self) -> None:
        """Seals now what waits for it: called before the database is closed, which must then stay closed."""
        thread, self._timer = self._thread, None
        # In a forked child the thread is not there, and the commits are its parent's.
        if thread is None or not thread.is_alive() or thread is threading.current_thread():
            return
        thread.cancel()
        thread.join()
        try:
            self._database.seal()
        except StoreError as error:
            log.warning("the last fast commits may not be durable: %s", error)

    def _seal(self) -> None:
        # Whoever commits from here on needs a timer of its own.
        self._timer = None
        try:
            self._database.seal()
        except StoreError as error:
            if not os.path.exists(self._database.path):
                # It was deleted, and the commits with it.
                return
            log.warning("fast commits could not be made durable yet: %s", error)
            self.soon()


_at_exit: weakref.WeakSet[Database] = weakref.WeakSet()


@atexit.register
def _sync_logs() -> None:
    for database in list(_at_exit):
        database.sync_log()
