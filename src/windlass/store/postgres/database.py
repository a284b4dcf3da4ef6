"""One PostgreSQL database as every process of ours uses it: transactions, turns, durability."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from windlass.errors import OutcomeUnknown, StoreError
from windlass.store.postgres.connections import LOCAL_PLANS, Connections
from windlass.store.postgres.doorbell import Bells
from windlass.store.postgres.faults import REFUSALS, is_lost, translate, translated
from windlass.store.postgres.location import Location
from windlass.store.postgres.migrate import vet
from windlass.store.postgres.statements import Statements
from windlass.store.protocol import WalState

log = logging.getLogger("windlass.store")

LOCK_CLASS = 0x57494E44
"""The first number of all our advisory locks; the second is the schema's."""
Turn = Literal["alone", "shared"]
"""Who else may write meanwhile: nobody, or those who share."""

_LOCKS = {"alone": "pg_advisory_xact_lock", "shared": "pg_advisory_xact_lock_shared"}
_ROW_LOCKS = {"alone": "UPDATE", "shared": "SHARE"}


class Database:
    """The database, and this process's connections to it."""

    refusals: tuple[type[Exception], ...] = REFUSALS
    is_unsealed = False
    """The server's own writer puts every commit on the disk within a second."""

    def __init__(
        self, location: Location, *, lock_timeout_s: float = 10.0, statement_timeout_s: float = 60.0
    ) -> None:
        self.location = location
        self.connections = Connections(location, lambda raw: vet(Statements(raw), location.name))
        self.bells = Bells(self.connections)
        self._inside = threading.local()
        self._limits = (
            f"SET LOCAL lock_timeout = {int(lock_timeout_s * 1000)}; "
            f"SET LOCAL statement_timeout = {int(statement_timeout_s * 1000)}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {int(statement_timeout_s * 1000)}"
        )

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
                connection.raw.execute(f"BEGIN; {LOCAL_PLANS}")
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

    def share(self, *, full: bool, ask: str) -> Any:
        """A transaction beside others that share: for what changes only rows that it owns.

        ``ask`` is a query that is answered under the lock, by ``answer``, in the same round trip.
        """
        return self.transaction(full=full, turn="shared", ask=ask)

    @contextmanager
    def transaction(self, *, full: bool, turn: Turn | None, ask: str | None = None) -> Generator[Statements]:
        """A transaction: commits at its end, or rolls back. ``full``: it is on the disk by then."""
        self.refuse_nesting()
        raw, answer = self._begin(full=full, turn=turn, ask=ask)
        try:
            try:
                with translated(self.name):
                    yield Statements(raw, answer)
                    self.check_open(raw)
            except BaseException:
                self.undo(raw)
                raise
            self.commit(raw)
        finally:
            self.connections.give_back(raw)

    def _begin(
        self, *, full: bool, turn: Turn | None, ask: str | None
    ) -> tuple[psycopg.Connection[Any], object]:
        raw = self.connections.take()
        try:
            with translated(self.name):
                return raw, self.begin_on(raw, full=full, turn=turn, ask=ask)
        except BaseException:
            self.undo(raw)
            self.connections.give_back(raw)
            raise

    def begin_on(
        self,
        raw: psycopg.Connection[Any],
        *,
        full: bool,
        turn: Turn | None = None,
        ask: str | None = None,
    ) -> object:
        """Begins a transaction with our limits, and asks for something, in one round trip."""
        facts = self.connections.facts
        steps = ["BEGIN" if raw.autocommit else "SELECT", self._limits, LOCAL_PLANS]
        if not full:
            steps.append("SET LOCAL synchronous_commit = off")
        elif not facts.syncs:
            steps.append("SET LOCAL synchronous_commit = on")
        if turn is not None:
            steps.append(self.turn(turn))
        if ask is not None:
            steps.append(ask)
        together: Any = "; ".join(steps)
        cursor = Statements(raw).cursor().execute(together)
        if ask is None:
            return None
        while cursor.nextset():
            pass
        return cursor.fetchall()[0][0]

    def turn(self, turn: Turn) -> str:
        """The statement that waits for a turn."""
        if self.location.hints:
            return f"SELECT {_LOCKS[turn]}({LOCK_CLASS}, {self.connections.facts.lock})"
        return f"SELECT FROM windlass_meta WHERE name = 'turn' FOR {_ROW_LOCKS[turn]}"

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

    def commit(self, raw: psycopg.Connection[Any]) -> None:
        """Commits.

        Raises:
            StoreUnavailable: nothing was written.
            OutcomeUnknown: it may or may not have been.
        """
        try:
            raw.commit()
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
