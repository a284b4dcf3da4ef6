"""The one transaction in which user code may hold the write lock, and the watch that ends it; and completion
in a transaction of the handler's own.

Whoever overruns is stopped from outside: a statement that runs is interrupted, the connection refuses
further writes, the transaction is rolled back (``Store.stop``). Closing is left to the handler's own thread:
a connection must not vanish under a statement.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from windlass.errors import StaleAttempt, TransactionTooLong
from windlass.joining import join
from windlass.store.protocol import Settlement, Store


class HandlerTransaction:
    """A write transaction with a time limit; ``complete`` settles the job in it and commits."""

    def __init__(self, store: Store, connection: Any, limit_s: float) -> None:
        self.connection = connection
        self.closed = False
        """The connection is closed: it overran, or could not be brought back to order."""
        self._store = store
        self._limit_s = limit_s
        # Guards the moment at which either the handler ends the transaction or the watch does.
        self._lock = threading.Lock()
        self._over = False
        self._overran = False

    def __enter__(self) -> Self:
        self._store.begin(self.connection)
        self._store.heed(self.connection, lambda: self._overran)
        self._watch = threading.Timer(self._limit_s, self._stop)
        self._watch.daemon = True
        self._watch.start()
        return self

    def complete(self, settlement: Settlement) -> None:
        """Settles the attempt and commits durably.

        Raises:
            StaleAttempt: the attempt no longer owns its job.
            TransactionTooLong: the time was up.
        """
        if self._end():
            raise self._too_long()
        if not self._store.is_inside(self.connection):
            raise RuntimeError(
                "the handler ended ctx.transaction() itself: leave that to the end of the block"
            )
        _complete(self._store, self.connection, settlement)
        self._store.commit(self.connection)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        overran = self._end()
        try:
            self._store.heed(self.connection, None)
            if error is not None:
                self.connection.rollback()
        except Exception:  # noqa: BLE001 - it is closed already; the error itself is the news
            self.closed = True
        if overran or self.closed:
            self.closed = True
            self._store.disconnect(self.connection)
        if overran and not isinstance(error, TransactionTooLong):
            raise self._too_long() from error

    def _end(self) -> bool:
        """Ends the watch; True where it had to step in."""
        self._watch.cancel()
        with self._lock:
            self._over = True
            return self._overran

    def _stop(self) -> None:
        with self._lock:
            if self._over:
                return
            self._overran = True
            try:
                self._store.stop(self.connection)
            except Exception as error:  # noqa: BLE001 - nobody above this thread could be told
                import logging

                logging.getLogger("windlass.worker").warning(
                    "an overlong transaction is gone already: %s", error
                )

    def _too_long(self) -> TransactionTooLong:
        return TransactionTooLong(
            f"ctx.transaction() held the write lock for more than {self._limit_s:g} s and was rolled back: "
            "do slow work before it, and only the writes inside"
        )


class JoinedTransaction:
    """A transaction of the handler's session or connection, in which its job is completed, untimed."""

    closed = False
    """It is never closed by us."""

    def __init__(self, store: Store, connection: Any) -> None:
        self.connection = connection
        self._store = store
        self._joined = join(connection)

    def __enter__(self) -> Self:
        self._around = self._joined.transaction()
        self._around.__enter__()
        return self

    def complete(self, settlement: Settlement) -> None:
        """Settles the attempt; the end of the block commits.

        Raises:
            StaleAttempt: the attempt no longer owns its job.
        """
        self._joined.run(lambda driver: _complete(self._store, driver, settlement))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._around.__exit__(kind, error, trace)
        if error is None:
            self._store.ring()


def _complete(store: Store, connection: Any, settlement: Settlement) -> None:
    if not store.complete_on(connection, settlement):
        raise StaleAttempt(
            f"attempt {settlement.attempt} of job {settlement.job_id} no longer owns it: "
            "its writes were rolled back, and another attempt goes on"
        )
