"""This process's connections to a PostgreSQL database.

A connection that lies idle is looked at before it is used: if its server has gone meanwhile, there is
something to read on its socket, and it is replaced. That costs no round trip.
"""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo, TransactionStatus
from psycopg.rows import tuple_row

from windlass.clock import SystemClock
from windlass.errors import ConfigError, StoreUnavailable
from windlass.store.postgres.faults import translate, translated
from windlass.store.postgres.location import UNREADABLE, Location
from windlass.store.postgres.pipelining import Connection
from windlass.store.postgres.places import Places
from windlass.store.postgres.statements import Statements
from windlass.store.postgres.timing import Timing

READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Whatever the server's default: who waited for a lock has to see what was committed meanwhile."""
_PLANS = "enable_seqscan = off; SET {0}enable_bitmapscan = off; SET {0}jit = off"
_READ_COMMITTED = "SET default_transaction_isolation = 'read committed'"
PLANS, LOCAL_PLANS = f"SET {_PLANS.format('')}", f"SET LOCAL {_PLANS.format('LOCAL ')}"
"""Every statement goes by an index, also before the server has counted what is in a table that is new.
To say so makes plans look costly, and what looks costly some servers compile first, each time anew."""
KEEP_ALIVE = (
    "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; "
    "SET tcp_user_timeout = 10000"
)
"""So the server notices within ten seconds that our host is gone, and lets go of what it had locked."""
MOST = 20
"""Connections that one store has at once."""
_WAIT_S = 30.0
_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "windlass",
    # A host that is gone says nothing: without these, its connections would be waited for for hours. And who
    # is cut off for a while should find a way back before its silence is taken for death.
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "6000",
}
_ALWAYS = {"client_encoding": "UTF8"}
"""Whatever the environment says: our texts are of all languages."""


class Facts(NamedTuple):
    """What the first connection finds out."""

    schema: str
    lock: int
    """The schema's number among the advisory locks."""
    syncs: bool
    """A commit is on the disk before it returns, unless its transaction says otherwise."""
    pooled: bool
    """There is a pooler in between, which may give each transaction another session."""
    silent: bool
    """Somebody said that nobody is to be notified of anything here."""


class Connections:
    """Idle connections, and how to make more."""

    def __init__(
        self, location: Location, vet: Callable[[psycopg.Connection[Any]], None], *, lock_timeout_ms: int
    ) -> None:
        self.location = location
        self._vet = vet
        self.lock_timeout_ms = lock_timeout_ms
        """A statement outside a transaction, too, waits no longer for who has locked a table: a dispatcher
        has timeouts to keep meanwhile."""
        self._pid = 0
        self.timing = Timing(SystemClock())
        self._places = Places(_settings(location))
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[psycopg.Connection[Any]] = []
        # A store that nobody closed: its connections go with it, and without a word. (Not by ``__del__``: in
        # a cycle, that of a connection may come first.)
        weakref.finalize(self, _close, self._idle, self._pid)
        self._busy: dict[int, psycopg.Connection[Any]] = {}
        self._room = threading.BoundedSemaphore(MOST)
        self._facts: Facts | None = None
        self.epoch = 0

    @property
    def name(self) -> str:
        """The database, for people: without a password."""
        return self.location.name

    @property
    def facts(self) -> Facts:
        """What is known of the server; asked at the first use."""
        facts = self._facts
        if facts is None:
            raw = self.take()
            try:
                facts = self.learn(raw)
            finally:
                self.give_back(raw)
        return facts

    @property
    def hints(self) -> bool:
        """Notices are given and listened for, as far as is known."""
        facts = self._facts
        return self.location.hints and not (facts is not None and facts.silent)

    def learn(self, raw: psycopg.Connection[Any]) -> Facts:
        """The same, from a connection that is there already."""
        facts = self._facts
        if facts is None:
            with translated(self.name):
                facts = _look(raw)
                self._vet(raw)
            self._facts = facts
        return facts

    def take(self) -> psycopg.Connection[Any]:
        """A connection that is in no transaction: each statement commits by itself.

        Raises:
            StoreUnavailable: there is none to be had.
        """
        if self._pid != os.getpid():
            # Forked: the parent's connections are its own, and psycopg leaves them alone here.
            self._begin_anew()
        if not self._room.acquire(timeout=_WAIT_S):
            raise StoreUnavailable(
                f"all {MOST} connections of this program to {self.name} were in use for {_WAIT_S:g} s: "
                "nothing was written; keep app.transaction() blocks short"
            )
        try:
            while (raw := self._pop()) is not None:
                if _is_quiet(raw) and self._knows_time(raw):
                    return raw
                self._forget(raw)
            raw = self._made()
            with self._lock:
                self._busy[id(raw)] = raw
            return raw
        except BaseException:
            self._room.release()
            raise

    def _made(self) -> psycopg.Connection[Any]:
        raw = self.open()
        try:
            with translated(self.name):
                self.timing.measure(raw)
                if not self.learn(raw).pooled:
                    session = f"SET lock_timeout = {self.lock_timeout_ms}; {_READ_COMMITTED}"
                    raw.execute(f"{PLANS}; {session}".encode())
        except BaseException:
            raw.close()
            raise
        return raw

    def _knows_time(self, raw: psycopg.Connection[Any]) -> bool:
        """Now and then asks the server for it; False where nobody answers."""
        if self.timing.is_old:
            try:
                self.timing.measure(raw)
            except psycopg.Error:
                return False
        return True

    def offset_us(self) -> int:
        """What this machine's boot clock lacks to the server's clock, as it was measured last.

        Raises:
            StoreUnavailable: it never was, and there is no server to ask.
        """
        if self.timing.offset_us is None:
            self.give_back(self.take())
        assert self.timing.offset_us is not None
        return self.timing.offset_us

    def _pop(self) -> psycopg.Connection[Any] | None:
        with self._lock:
            if not self._idle:
                return None
            raw = self._idle.pop()
            self._busy[id(raw)] = raw
            return raw

    def give_back(self, raw: psycopg.Connection[Any]) -> None:
        """Keeps it for the next one, or closes it where it is of no more use."""
        if self._pid != os.getpid():
            return
        lost: list[psycopg.Connection[Any]] = []
        with self._lock:
            kept = id(raw) in self._busy and raw.pgconn.transaction_status == TransactionStatus.IDLE
            self._busy.pop(id(raw), None)
            if kept:
                self._idle.append(raw)
            elif raw.broken:
                # Its server may be gone without a word: each of those that lie idle would be waited for, too.
                lost = self._idle[:]
                self._idle.clear()
        if not kept:
            self._places.left(raw)
            for one in (raw, *lost):
                one.close()
        self._room.release()

    def _forget(self, raw: psycopg.Connection[Any]) -> None:
        with self._lock:
            self._busy.pop(id(raw), None)
        raw.close()

    def owns(self, raw: object) -> bool:
        """True for a connection of this store that is in use."""
        return id(raw) in self._busy

    def is_ours(self, backend: int) -> bool:
        """True for a server process that works for this store."""
        with self._lock:
            return any(one.info.backend_pid == backend for one in (*self._idle, *self._busy.values()))

    def open(self, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A new connection, which the caller closes.

        Raises:
            StoreUnavailable: there is none to be had.
            ConfigError: a setting of the URL cannot be right.
        """
        try:
            conninfo = _DEFAULTS | self._places.conninfo | _ALWAYS
            raw = Connection.connect(**conninfo, autocommit=True, row_factory=tuple_row)  # pyright: ignore[reportArgumentType]
        except psycopg.ProgrammingError as error:
            raise ConfigError(f"{self.name} cannot be connected to: {error}") from error
        except psycopg.Error as error:
            raise translate(error, self.name) from error
        self._places.answered(raw)
        try:
            # Another session each time would not know what was prepared.
            raw.prepare_threshold = None if self.learn(raw).pooled else 5
            if raw.prepare_threshold is not None:
                with translated(self.name):
                    raw.execute(KEEP_ALIVE)
            raw.autocommit = autocommit
        except BaseException:
            raw.close()
            raise
        return raw

    def reset(self) -> None:
        """Closes what lies idle, and what is in use as soon as it is given back."""
        if self._pid != os.getpid():
            self._begin_anew()
            return
        with self._lock:
            idle = self._idle[:]
            self._idle.clear()
            self._busy.clear()
            self._facts = None
            self.epoch += 1
        for raw in idle:
            raw.close()


def _settings(location: Location) -> dict[str, Any]:
    """The URL as libpq reads it.

    Raises:
        ConfigError: it cannot. It says why by quoting a piece, maybe of a password: that is passed over.
    """
    try:
        return conninfo_to_dict(location.conninfo)
    except (psycopg.ProgrammingError, ValueError):
        unknown = location.told - {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown:
        raise ConfigError(
            f"expected settings of libpq's in {location.name}, got {', '.join(sorted(unknown))}"
        )
    raise ConfigError(UNREADABLE)


def _close(connections: Iterable[psycopg.Connection[Any]], pid: int) -> None:
    if pid == os.getpid():
        for raw in connections:
            raw.close()


def _is_quiet(raw: psycopg.Connection[Any]) -> bool:
    """False where the server has said something unasked: that it goes, most likely."""
    if raw.closed:
        return False
    poll = select.poll()
    poll.register(raw.pgconn.socket, select.POLLIN)
    return not poll.poll(0)


def _look(raw: psycopg.Connection[Any]) -> Facts:
    row = (
        Statements(raw)
        .execute(
            "SELECT current_schema(), hashtext(current_schema()), current_setting('synchronous_commit'), "
            "pg_backend_pid(), coalesce(current_setting('windlass.hints', true), '')"
        )
        .fetchone()
    )
    pooled = row[3] != raw.info.backend_pid
    return Facts(row[0] or "public", row[1] or 0, row[2] != "off", pooled, row[4] == "off")
