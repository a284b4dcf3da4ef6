"""What a running handler may touch: its job, its database connection, progress, cancellation, the service.

One ``Context`` lives as long as one attempt and belongs to the thread or task that runs it; only ``stop``
may be called from elsewhere. Everything costly (connection, folder, logger) is made when first asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windlass.context.resources import Resources, Service
from windlass.context.results import Results, decoder_of, load_results
from windlass.context.transaction import HandlerTransaction, JoinedTransaction
from windlass.job import Job
from windlass.joining import entered
from windlass.outcome import Completed, StopReason
from windlass.payload import encode_result
from windlass.redact import clean
from windlass.store.protocol import Claim, Settlement, Store

if TYPE_CHECKING:
    import logging
    import threading

    import msgspec

    from windlass.context.kept import KeptLog
    from windlass.context.saying import Saying

MESSAGE_LENGTH_MAX = 500


class Stopped(BaseException):
    """Raised by ``ctx.raise_if_cancelled()`` in a handler that was asked to stop; let it pass."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(f"asked to stop: {reason}")
        self.reason: StopReason = reason


_current: ContextVar[Context | None] = ContextVar("windlass_context", default=None)


class Context:
    """What a running handler may touch. Ask for it by annotation: ``def close_day(ctx: Context)``.

    Being asked to stop is polite: a synchronous handler looks at ``cancelled`` or calls
    ``raise_if_cancelled()`` where it can stop, an async one gets a ``CancelledError``. A handler that
    returns normally has done its work, whatever it was asked meanwhile.
    """

    __slots__ = (
        "_claim",
        "_db",
        "_job",
        "_kept",
        "_log",
        "_progress",
        "_resources",
        "_result",
        "_results",
        "_saying",
        "_stop_event",
        "_stop_reason",
        "_tempdir",
        "_transaction",
        "committed",
        "on_stop",
    )

    def __init__(self, claim: Claim, resources: Resources) -> None:
        self._claim = claim
        self._resources = resources
        self._stop_reason: StopReason | None = None
        self._db: Any = None
        self._tempdir: Path | None = None
        self._transaction: HandlerTransaction | JoinedTransaction | None = None
        self.committed = False
        """``transaction()`` has committed: the job is COMPLETED, whatever follows."""
        # The rest is made when first asked for: an unset slot costs nothing on the way in.

    @property
    def job_id(self) -> int:
        """The job's id."""
        return self._claim.job_id

    @property
    def key(self) -> str:
        """The job's key, also inside a fallback handler."""
        return self._claim.key

    @property
    def attempt(self) -> int:
        """Which run this is; 1 is the first."""
        return self._claim.attempt

    @property
    def max_attempts(self) -> int:
        """How many runs are allowed in total."""
        return self._claim.max_attempts

    @property
    def queue(self) -> str:
        """The queue it came from."""
        return self._claim.queue

    @property
    def service(self) -> Service:
        """The service that runs this job: ``on``, ``send``, ``stop``."""
        return self._resources.service

    @property
    def job(self) -> Job:
        """The whole job as the database had it when this was first asked for.

        Raises:
            LookupError: it was deleted meanwhile.
        """
        job: Job | None = getattr(self, "_job", None)
        if job is None:
            job = self._resources.store.get(self._claim.job_id)
            if job is None:
                raise LookupError(f"job {self._claim.job_id} is no longer in the database")
            self._job = job
        return job

    @property
    def results(self) -> Results[Any]:
        """What the jobs that this one waited for returned, in their order, as they were when first asked for.

        Raises:
            LookupError: one of them was deleted, or is to run again.
        """
        results: Results[Any] | None = getattr(self, "_results", None)
        if results is None:
            results = self._results = load_results(self._resources.store, self.job_id, decoder_of(Results))
        return results

    def results_for(self, decoder: msgspec.json.Decoder[Any]) -> Results[Any]:
        """The same, each read by that decoder: for parameters with the annotation ``Results[…]``."""
        return load_results(self._resources.store, self.job_id, decoder)

    @property
    def log(self) -> logging.LoggerAdapter[Any]:
        """A logger whose records carry ``job_id``, ``job_key`` and ``attempt``."""
        adapter: logging.LoggerAdapter[Any] | None = getattr(self, "_log", None)
        if adapter is None:
            from windlass.context.joblog import JobLogger

            adapter = self._log = JobLogger(self._claim, self.keep)
        return adapter

    def keep(self, record: logging.LogRecord) -> None:
        """A record was made while it ran: it is kept with the attempt, where it is kept."""
        try:
            kept: KeptLog | None = self._kept
        except AttributeError:
            kept = self._kept = self._resources.open_log(self._claim)
        if kept is not None:
            kept.add(record)

    # ── stopping ───────────────────────────────────────────────────────────────────────────────
    @property
    def cancelled(self) -> bool:
        """True once it was asked to stop, for whatever reason."""
        return self._stop_reason is not None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it was asked to stop, such as ``"shutdown"``: see ``StopReason``. None while nobody asked."""
        return self._stop_reason

    def raise_if_cancelled(self) -> None:
        """Ends the handler here if it was asked to stop; call it wherever stopping is safe."""
        if self._stop_reason is not None:
            raise Stopped(self._stop_reason)

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """Waits at most ``timeout`` seconds to be asked to stop; True if it was. For synchronous handlers."""
        import threading

        event: threading.Event | None = getattr(self, "_stop_event", None)
        if event is None:
            event = self._stop_event = threading.Event()
        # Looked at after the event is in place: ``stop`` sets the reason first and the event second.
        if self._stop_reason is not None:
            return True
        return event.wait(timeout)

    def stop(self, reason: StopReason, *, interrupt: bool = True) -> None:
        """Asks this attempt to stop; callable from any thread. The first reason stays.

        Without ``interrupt`` an async handler may see it and goes on: a later call may still interrupt it.
        """
        if self._stop_reason is None:
            self._stop_reason = reason
            event: threading.Event | None = getattr(self, "_stop_event", None)
            if event is not None:
                event.set()
        on_stop: Callable[[], None] | None = getattr(self, "on_stop", None)
        if interrupt and on_stop is not None:
            self.on_stop = _nothing
            on_stop()

    # ── saying something ───────────────────────────────────────────────────────────────────────
    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Says how far it is. The last value is kept with the job; watchers see it at once.

        For example ``ctx.progress(3, 10, "EUR")``.

        Raises:
            ValueError: a number that is not finite, or negative.
        """
        for name, number in (("done", done), ("total", total)):
            if number is not None and not (math.isfinite(number) and number >= 0):
                raise ValueError(f"expected {name} to be a finite number from 0 up, got {number!r}")
        text = None if message is None else clean(message, MESSAGE_LENGTH_MAX)
        note = json.dumps([done, total, text], ensure_ascii=False, separators=(",", ":"))
        if note == getattr(self, "_progress", None):
            return
        self._progress = note
        self._resources.report_progress(self._claim, note)

    def notify(self, content: str, title: str | None = None) -> None:
        """Says what it is doing, to people: in the app's status line, while the job runs and 10 s after it.

        ``title`` is the job's own title unless one is given. Of several jobs the latest message is shown.
        """
        saying: Saying | None = getattr(self, "_saying", None)
        if saying is None:
            from windlass.context.saying import Saying

            saying = self._saying = Saying(self._resources.service.send, self._claim)
        saying.say(
            clean(content, MESSAGE_LENGTH_MAX), None if title is None else clean(title, MESSAGE_LENGTH_MAX)
        )

    def set_result(self, value: Any) -> None:
        """Sets the job's result before ``transaction()`` ends, where a return value would come too late.

        Raises:
            InvalidPayload: the value cannot be stored as JSON.
        """
        self._result = encode_result(value)

    @property
    def claim(self) -> Claim:
        """The lease under which this attempt runs."""
        return self._claim

    @property
    def touched(self) -> bool:
        """Something was opened, kept, asked or said that has an end."""
        return (
            self._db is not None
            or self._tempdir is not None
            or self.committed
            or getattr(self, "_result", None) is not None
            or getattr(self, "_saying", None) is not None
        )

    @property
    def result(self) -> str | None:
        """The JSON text that ``set_result`` kept."""
        return getattr(self, "_result", None)

    # ── the database ───────────────────────────────────────────────────────────────────────────
    @property
    def db(self) -> Any:
        """This attempt's own connection to the database, opened when first asked for.

        A transaction left open when the handler ends is rolled back.
        """
        if self._db is None:
            self._db = self._resources.store.connect()
        return self._db

    @property
    def open_connection(self) -> Any:
        """The connection inside ``transaction()``, or None: what an enqueue in there must use."""
        return None if self._transaction is None else self._transaction.connection

    def open_connection_to(self, store: Store) -> Any:
        """The same, where it is that store's: a handler may enqueue to another program's database, too."""
        return self.open_connection if store is self._resources.store else None

    @contextmanager
    def transaction(self, connection: Any = None) -> Generator[Any]:
        """A write transaction whose commit also completes the job: both happen, or neither.

        Yields the connection. Keep it short: other writers wait, and after two seconds it is rolled
        back. What the handler does after it is done no matter what: later exceptions are only logged.
        With a ``connection`` of SQLAlchemy or Django, or a session, to the same database, it is a transaction
        of that one, and nobody watches its time.

        Raises:
            StaleAttempt: the job was reclaimed meanwhile; nothing was written.
            TransactionTooLong: it overran and was rolled back.
            RuntimeError: the job is already completed, or a transaction is open.
        """
        store = self._resources.store
        if self.committed:
            raise RuntimeError("ctx.transaction() has already completed this job: it can be used once")
        if self._transaction is not None or (self._db is not None and store.is_inside(self._db)):
            raise RuntimeError("a transaction is already open on ctx.db: commit or roll it back first")
        if connection is not None:
            held = JoinedTransaction(store, connection)
        else:
            held = HandlerTransaction(store, self.db, self._resources.transaction_limit_s)
        self._transaction = held
        try:
            with held:
                yield held.connection
                claim = self._claim
                outcome = Completed(self.result)
                held.complete(Settlement(claim.job_id, claim.attempt, claim.token, outcome))
            self.committed = True
        finally:
            self._transaction = None
            if held.closed:
                self._db = None

    def atransaction(self, connection: Any) -> AbstractAsyncContextManager[Any]:
        """The same for ``async with``, on an ``AsyncSession`` or ``AsyncConnection`` of SQLAlchemy."""
        return entered(connection, self.transaction(connection))

    # ── files ──────────────────────────────────────────────────────────────────────────────────
    @property
    def tempdir(self) -> Path:
        """A folder of this attempt's own, removed when the attempt ends (after a crash: by upkeep)."""
        if self._tempdir is None:
            from windlass.context.tempdirs import make_tempdir, temp_root

            self._tempdir = make_tempdir(
                temp_root(self._resources.store), self._claim.job_id, self._claim.attempt
            )
        return self._tempdir

    def close(self) -> None:
        """Gives back what was opened. Called once, by whoever ran the handler."""
        connection, self._db = self._db, None
        saying: Saying | None = getattr(self, "_saying", None)
        if saying is not None:
            saying.end()
        try:
            if connection is not None:
                try:
                    if self._resources.store.is_inside(connection):
                        connection.rollback()
                        self.log.warning(
                            "its open transaction on ctx.db was rolled back: commit what should stay"
                        )
                finally:
                    self._resources.store.disconnect(connection)
        finally:
            if self._tempdir is not None:
                from windlass.context.tempdirs import remove_tempdir

                remove_tempdir(self._tempdir)


def _nothing() -> None:
    """What is left to do for a handler that was interrupted."""


def current() -> Context | None:
    """The context of the attempt that runs in this thread or task, or None outside handlers."""
    return _current.get()


def see(record: logging.LogRecord) -> None:
    """Keeps a record with the attempt that runs in this thread or task, if one does."""
    ctx = _current.get()
    if ctx is not None:
        ctx.keep(record)


enter = _current.set
leave = _current.reset
