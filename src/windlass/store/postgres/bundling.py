"""Statements in one round trip, each prepared once by its session and sent as it is.

A cursor finds out anew for each statement how its values are told, whether it is prepared by now, and what
became of it. A turn is seven statements, and its dispatcher spent as long on that as on all of its jobs; and
to the one that wakes after a pause all of it is cold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, Protocol

import psycopg
from psycopg import errors, generators, postgres
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from windlass.store.postgres.pipelining import Connection
from windlass.store.relational.engine import Values

Step = tuple[str, Values]
"""A statement in PostgreSQL's own spelling, and its values."""

_KNOWN_MOST = 100
"""Statements that a session is made to keep."""
_INT8 = 20
_UNKNOWN = 0
"""The server sees by itself what it is."""
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|s|%)")
_numbers = count(1)


class Answer(Protocol):
    """What a statement gave: a cursor, or as one."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Told:
    """The rows of a result."""

    __slots__ = ("_raw", "_result")

    adapters = AdaptersMap(postgres.adapters)

    def __init__(self, raw: psycopg.Connection[Any], result: PGresult) -> None:
        self._raw, self._result = raw, result

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """Whose encoding texts are in."""
        return self._raw

    def fetchone(self) -> Any:
        rows = self.fetchall()
        return rows[0] if rows else None

    def fetchall(self) -> list[Any]:
        if self._result.status != ExecStatus.TUPLES_OK:
            return []
        reading = Transformer(self)
        reading.set_pgresult(self._result)
        return reading.load_rows(0, self._result.ntuples, tuple)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class _Spelled(NamedTuple):
    """A statement as the server takes it: its values are $1, $2, …"""

    text: bytes
    names: tuple[str, ...] | None
    """None: they come in their order."""

    def values(self, given: Values) -> Sequence[Any]:
        if self.names is None:
            return list(given)
        assert isinstance(given, Mapping)
        return [given[name] for name in self.names]


@lru_cache(maxsize=256)
def _spelled(text: str) -> _Spelled:
    places: dict[str, int] = {}
    numbers = count(1)

    def placeholder(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        name = found[1]
        return f"${next(numbers) if name is None else places.setdefault(name, len(places) + 1)}"

    # Without values nothing is a placeholder, and a sign of percent is itself.
    return _Spelled(_PLACEHOLDER.sub(placeholder, text).encode(), tuple(places) if places else None)


class _Ready(NamedTuple):
    """A statement that can be sent."""

    key: tuple[str, tuple[int, ...]]
    text: bytes
    types: Sequence[int]
    values: Sequence[bytes | None]


def bundled(
    raw: psycopg.Connection[Any], steps: Sequence[Step], meanwhile: Callable[[], None]
) -> list[Told] | None:
    """Runs them as one pipeline, as ``statements.together``; None: nothing was done, and cursors have to.

    Raises:
        psycopg.Error: as a cursor would.
    """
    if not isinstance(raw, Connection) or not _is_open(raw):
        return None
    if len(raw.prepared) + len(steps) > _KNOWN_MOST:
        return None
    ready = [one for step in steps if (one := _ready(*step)) is not None]
    if len(ready) < len(steps):
        return None
    if raw.unsure:
        _learn(raw)
    try:
        return _run(raw, ready, meanwhile)
    except errors.InvalidSqlStatementName:
        raw.unsure = True
        raise
    except errors.FeatureNotSupported:
        # A column is of another type since a statement was prepared: another session prepares all anew.
        raw.close()
        raise


def _learn(raw: Connection) -> None:
    """Finds out what the session still knows."""
    rows = raw.execute("SELECT name FROM pg_prepared_statements").fetchall()
    names = {name.encode() for (name,) in rows}
    known = raw.prepared
    for key in [key for key, name in known.items() if name not in names]:
        del known[key]
    raw.unsure = False


def _is_open(raw: Connection) -> bool:
    """Nobody else has it, and it is as the store made it."""
    pgconn = raw.pgconn
    return (
        not raw.lent
        # Behind a pooler the next session knows of nothing prepared.
        and raw.prepare_threshold is not None
        and raw.autocommit
        and pgconn.pipeline_status == PipelineStatus.OFF
        and pgconn.transaction_status in (TransactionStatus.IDLE, TransactionStatus.INTRANS)
        and pgconn.parameter_status(b"client_encoding") == b"UTF8"
    )


def _ready(text: str, values: Values) -> _Ready | None:
    """None: a cursor has to say it, or why it cannot be said."""
    if not values:
        return _Ready((text, ()), text.encode(), (), ())
    spelled = _spelled(text)
    try:
        told = [_told(value) for value in spelled.values(values)]
    except (UnicodeEncodeError, TypeError):
        return None
    # Text ends at a NUL here.
    if any(value is not None and b"\0" in value for _, value in told):
        return None
    types = tuple(kind for kind, _ in told)
    return _Ready((text, types), spelled.text, types, [value for _, value in told])


def _told(value: Any) -> tuple[int, bytes | None]:
    """The type and the text of a value, as a cursor of ours tells them."""
    if value is None:
        return _UNKNOWN, None
    if isinstance(value, str):
        return _UNKNOWN, value.encode()
    if isinstance(value, int):
        # Not str(value): of an enumeration's member that may be its name.
        return _INT8, b"%d" % value
    raise TypeError


def _run(raw: Connection, sent: Sequence[_Ready], meanwhile: Callable[[], None]) -> list[Told]:
    pgconn, known = raw.pgconn, raw.prepared
    new: dict[tuple[str, tuple[int, ...]], bytes] = {}
    is_answer: list[bool] = []
    try:
        pgconn.enter_pipeline_mode()
        for one in sent:
            name = known.get(one.key) or new.get(one.key)
            if name is None:
                name = new[one.key] = b"windlass_bundled_%d" % next(_numbers)
                pgconn.send_prepare(name, one.text, one.types)
                is_answer.append(False)
            pgconn.send_query_prepared(name, one.values)
            is_answer.append(True)
        pgconn.pipeline_sync()
        raw.wait(generators.send(pgconn))
        meanwhile()
        results = raw.wait(_answers(pgconn))
        if pgconn.status == ConnStatus.OK:
            pgconn.exit_pipeline_mode()
    except BaseException:
        if pgconn.status == ConnStatus.OK:
            # Half a conversation: whoever came next could not know where in it he is.
            raw.close()
        raise
    prepares = [result for result, answers in zip(results, is_answer, strict=False) if not answers]
    for key, result in zip(list(new), prepares, strict=False):
        if result.status == ExecStatus.COMMAND_OK:
            known[key] = new[key]
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
    return [Told(raw, result) for result, answers in zip(results, is_answer, strict=True) if answers]


def _answers(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """What was said to each, up to the end of the pipeline."""
    found: list[PGresult] = []
    while True:
        try:
            results = yield from generators.fetch_many(pgconn)
        except psycopg.Error:
            # A server that ends the session says why, and then nothing more.
            if any(result.status == ExecStatus.FATAL_ERROR for result in found):
                return found
            raise
        if not results:
            raise psycopg.OperationalError("the server's answers have ended before the pipeline has")
        for result in results:
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)
