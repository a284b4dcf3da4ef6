"""Fast commits reach the disk a moment later, also where no service is there to see to it."""

from __future__ import annotations

import atexit
import logging
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

    def soon(self) -> None:
        """Called after each fast commit of this process."""
        if self._timer is None or not self._timer.is_alive():
            _at_exit.add(self._database)
            self._timer = threading.Timer(SEAL_AFTER_S, self._seal)
            self._timer.daemon = True
            self._timer.start()

    def _seal(self) -> None:
        # Whoever commits from here on needs a timer of its own.
        self._timer = None
        try:
            self._database.seal()
        except StoreError as error:
            log.warning("fast commits could not be made durable yet: %s", error)
            self.soon()


_at_exit: weakref.WeakSet[Database] = weakref.WeakSet()


@atexit.register
def _sync_logs() -> None:
    for database in list(_at_exit):
        database.sync_log()
