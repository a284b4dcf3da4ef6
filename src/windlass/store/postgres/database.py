"""One PostgreSQL database as every process of ours uses it: transactions, turns, durability."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from windlass.errors import OutcomeUnknown, StoreError
from windlass.store.postgres.bundling import Step
from windlass.store.postgres.connections import BEGIN, LOCAL_PLANS, READ_COMMITTED, Connections
from windlass.store.postgres.doorbell import Bells
from windlass.store.postgres.faults import REFUSALS, is_lost, translate, translated
from windlass.store.postgres.location import Location
from windlass.store.postgres.locks import CLASS as LOCK_CLASS
from windlass.store.postgres.locks import Locks
from windlass.store.postgres.migrate import vet
from windlass.store.postgres.statements import Statements, together
from windlass.store.protocol import WalState

log = logging.getLogger("windlass.store")

Turn = Literal["alone", "shared"]
"""Who else may write meanwhile: nobody, or those who share."""

_LOCKS = {"alone": "pg_advisory_xact_lock", "shared": "pg_advisory_xact_lock_shared"}
_IDLE = "idle_in_transaction_session_timeout"
_ROW_LOCKS = {"alone": "UPDATE", "shared": "SHARE"}


class Database:
    """The database, and this process's connections to it."""

    refusals: tuple[type[Exception], ...] = REFUSALS
    is_own = True
    """Its transactions are its own: they are no part of a caller's."""
    is_unsealed = False
    """The server's own writer puts every commit on the disk within a second."""

    def __init__(
        self, location: Location, *, lock_timeout_s: float = 10.0, statement_timeout_s: float = 60.0
    ) -> None:
        self.location = location
        self.connections = Connections(
            location,
            lambda raw: vet(Statements(raw), location.name),
            lock_timeout_ms=int(lock_timeout_s * 1000),
        )
        self.bells = Bells(self.connections)
        self.locks = Locks(self)
        self._inside = threading.local()
        self._limits = {
            "lock_timeout": int(lock_timeout_s * 1000),
            "statement_timeout": int(statement_timeout_s * 1000),
        }
        self._idle_ms = int(statement_timeout_s * 1000)
        # Shorter than anybody waits for a lock: who is stopped or cut off in a turn holds up nobody else.
        self._turn_idle_ms = int(lock_timeout_s * 800)

    @property
    def name(self) -> str:
        """The database, for people: without a password."""
        return self.location.name

    @property
    def commits_alone(self) -> bool:
        """A statement outside a transaction is committed durably when it returns."""
        return self.connections.facts.syncs

    # ── reading ────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def read(self) -> Generator[Statements]:
        """A connection on which each statement sees what is committed by then."""
        with self.alone() as connection:
            if not self.connections.facts.pooled:
                yield connection
                return
            # There, what holds for a session holds for a transaction only.
            try:
                patience = f"SET LOCAL lock_timeout = {self.connections.lock_timeout_ms}"
                # The pooler may not notice that we are gone, and it has few sessions to give.
                idle = f"SET LOCAL {_IDLE} = {self._turn_idle_ms}"
                connection.raw.execute(f"{BEGIN}; {LOCAL_PLANS}; {patience}; {idle}".encode())
                yield connection
            finally:
                self.undo(connection.raw)

    @contextmanager
    def alone(self) -> Generator[Statements]:
        """A connection on which each statement is a transaction."""
        raw = self.connections.take()
        try:
            with translated(self.name):
                yield Statements(raw)
        finally:
            self.connections.give_back(raw)

    def show(self) -> Any:
        """As ``read``: here every text can be decoded."""
        return self.read()

    @contextmanager
    def snapshot(self) -> Generator[Statements]:
        """As ``read``, and everything that is read is of one moment."""
        raw = self.connections.take()
        try:
            with translated(self.name):
                raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                yield Statements(raw)
        finally:
            self.undo(raw)
            self.connections.give_back(raw)

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    def write(self, *, full: bool) -> Any:
        """A transaction in which nobody else of ours writes: commits at its end, or rolls back."""
        return self.transaction(full=full, turn="alone")

    @contextmanager
    def transaction(self, *, full: bool, turn: Turn | None) -> Generator[Statements]:
        """A transaction: commits at its end, or rolls back. ``full``: it is on the disk by then."""
        self.refuse_nesting()
        if turn is not None:
            _ = self.locks.are_advisory  # who has to ask does so before he holds a connection
        with self.held() as raw:
            self.begin_on(raw, full=full, turn=turn)
            yield Statements(raw)
            self.check_open(raw)
            self.commit(raw)

    @contextmanager
    def held(self) -> Generator[psycopg.Connection[Any]]:
        """A connection for one transaction, which is rolled back where it is not committed."""
        raw = self.connections.take()
        try:
            with translated(self.name):
                yield raw
        except BaseException:
            self.undo(raw)
            raise
        finally:
            self.connections.give_back(raw)

    def begin_on(self, raw: psycopg.Connection[Any], *, full: bool, turn: Turn | None = None) -> None:
        """Begins a transaction with our limits, in one round trip."""
        steps = [BEGIN if raw.autocommit else READ_COMMITTED]
        steps += [f"SET LOCAL {name} = {value}" for name, value in self._settings(full=full, turn=turn)]
        if turn is not None:
            steps.append(self.turn(turn))
        together: Any = "; ".join(steps)
        Statements(raw).cursor().execute(together)

    def beginning(self, *, full: bool, turn: Turn) -> list[Step]:
        """The same as statements to be prepared, and sent together with what comes next."""
        settings = self._settings(full=full, turn=turn)
        told = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings)
        if self.locks.are_advisory:
            # A function is called when its turn has come: the lock is waited for with these settings.
            return [(BEGIN, ()), (self._turn(turn, told), ())]
        return [(BEGIN, ()), (f"SELECT {told}", ()), (self.turn(turn), ())]

    def _settings(self, *, full: bool, turn: Turn | None) -> list[tuple[str, object]]:
        facts = self.connections.facts
        settings: list[tuple[str, object]] = [
            *self._limits.items(),
            (_IDLE, self._idle_ms if turn is None else self._turn_idle_ms),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("jit", "off"),
        ]
        if not full:
            settings.append(("synchronous_commit", "off"))
        elif not facts.syncs:
            settings.append(("synchronous_commit", "on"))
        return settings

    def turn(self, turn: Turn) -> str:
        """The statement that waits for a turn."""
        return self._turn(turn, "")

    def turn_inside(self, turn: Turn) -> str:
        """The same in a transaction that is a handler's own: it may idle no longer than a turn now."""
        return self._turn(turn, f"set_config('{_IDLE}', '{self._turn_idle_ms}', true)")

    def _turn(self, turn: Turn, first: str) -> str:
        if self.locks.are_advisory:
            lock = f"{_LOCKS[turn]}({LOCK_CLASS}, {self.connections.facts.lock})"
            return f"SELECT {first}{', ' if first else ''}{lock}"
        return " ".join(("SELECT", first, "FROM windlass_meta WHERE name = 'turn' FOR", _ROW_LOCKS[turn]))

    def check_open(self, raw: psycopg.Connection[Any]) -> None:
        """Refuses to commit what cannot be committed any more.

        Raises:
            StoreError: the block ended its transaction, or went on after an error.
        """
        status = raw.pgconn.transaction_status
        if status == TransactionStatus.IDLE:
            raise StoreError("the block ended its transaction itself: leave commit and rollback to its end")
        if status == TransactionStatus.INERROR:
            raise StoreError(
                "a statement of the block failed, and PostgreSQL undoes the whole transaction then: let the "
                "error out of the block, or put the statement under a savepoint (connection.transaction())"
            )

    def commit(
        self,
        raw: psycopg.Connection[Any],
        *,
        last: Sequence[Step] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Commits, in one round trip with these last statements, and calls ``meanwhile`` in that time.

        Raises:
            StoreUnavailable: nothing was written.
            OutcomeUnknown: it may or may not have been.
        """
        try:
            if last:
                together(raw, [*last, ("COMMIT", ())], Statements(raw).cursor, meanwhile)
            else:
                raw.commit()
                meanwhile()
        except psycopg.Error as error:
            lost = is_lost(error)
            self.undo(raw)
            if lost:
                raise self.unknown(error) from error
            ours = translate(error, self.name)
            if ours is error:
                raise
            raise ours from error

    def unknown(self, error: Exception) -> OutcomeUnknown:
        """What to say where a commit was under way when the connection went."""
        return OutcomeUnknown(
            f"{self.name}: the connection was lost while a commit was under way ({error}): it may or may not "
            "be kept; retry with the same idempotency key"
        )

    def undo(self, raw: psycopg.Connection[Any]) -> None:
        """Rolls back, if there is anything to roll back and anybody to do it."""
        with suppress(psycopg.Error):  # a server that is gone has rolled back
            if not raw.closed and raw.pgconn.transaction_status != TransactionStatus.IDLE:
                raw.rollback()

    # ── nesting ────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def inside(self) -> Generator[None]:
        """While this thread is in ``app.transaction()``."""
        self._inside.now = True
        try:
            yield
        finally:
            self._inside.now = False

    def refuse_nesting(self) -> None:
        """Raises for a write inside a transaction of the same thread, which might wait for itself."""
        if getattr(self._inside, "now", False):
            raise StoreError(
                "this thread is inside app.transaction(): enqueue on its connection with "
                "using(connection=...), or after it"
            )

    # ── the rest ───────────────────────────────────────────────────────────────────────────────
    def owns(self, connection: object) -> bool:
        """True for a connection that came from here."""
        return self.connections.owns(connection)

    def version(self) -> int:
        """Moves whenever any transaction that wrote has ended."""
        with self.read() as connection:
            return connection.execute(
                "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            ).fetchone()[0]

    def seal(self) -> None:
        """Nothing to do: see ``is_unsealed``."""

    def checkpoint(self, *, force: bool) -> WalState:
        """Nothing to do: the server looks after its log."""
        del force
        return WalState(0, blocked=False)

    def close(self) -> None:
        """Closes every connection; the next use opens new ones."""
        self.bells.close()
        self.connections.reset()
