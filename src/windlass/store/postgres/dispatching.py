"""Claim and settle beside other dispatchers: a batch in one statement, and rows that others have are skipped.

A turn shares the lock of the schema with other turns. It locks first the rows of the jobs that it settles,
which nobody else settles; then their children, in the order of their ids; then ready rows that nobody has.
Only where a limit over all dispatchers is to be kept it is alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from windlass.outcome import Completed
from windlass.store.logbook import LogChunk
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.faults import again
from windlass.store.postgres.statements import Nothing, Statements, statements_on
from windlass.store.protocol import ClaimRequest, Lane, ProgressNote, Settlement, Turn
from windlass.store.relational import dispatching
from windlass.store.relational.engine import Connection, Values
from windlass.store.relational.settling import Settler
from windlass.store.relational.statements import SQL as REFERENCE

_LIMITS = REFERENCE["limits"]


class Dispatching(dispatching.Dispatching):
    """The dispatchers' verbs."""

    database: Database

    _was_limited = False

    def settle_and_claim(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None = None,
        progress: Sequence[ProgressNote] = (),
        logs: Sequence[LogChunk] = (),
    ) -> Turn:
        return again(lambda: super(Dispatching, self).settle_and_claim(settlements, request, progress, logs))

    @contextmanager
    def turn(self, request: ClaimRequest | None, *, full: bool) -> Generator[Connection]:
        """Beside others, or alone where a limit is to be kept."""
        if not self._was_limited:
            with self.database.share(full=full, ask=SQL["is_free"]) as connection:
                # Under the lock: nobody sets a limit before this turn is over.
                self._was_limited = not connection.answer and _is_limited(connection, request)
                if not self._was_limited:
                    yield _Free(connection.raw) if connection.answer else connection
                    return
        with self.database.write(full=full) as connection:
            self._was_limited = _is_limited(connection, request)
            yield connection

    def best(
        self, connection: Connection, request: ClaimRequest, mosts: Mapping[Lane, int], *, is_gated: bool
    ) -> Iterable[Any]:
        plain = {lane: most for lane, most in mosts.items() if lane.constraints is None}
        heads: list[Iterable[Any]] = [
            self.head(connection, lane, request.before.get(lane), most)
            for lane, most in mosts.items()
            if lane.constraints is not None
        ]
        if len(plain) == 1:
            [(lane, most)] = plain.items()
            heads.append(self.head(connection, lane, None, most))
        elif plain:
            if not heads and not is_gated:
                plain = _shares(statements_on(connection), plain, request.limit)
            heads.append(statements_on(connection).run(SQL["claim_lanes"], _arrays(plain)))
        return heads[0] if len(heads) == 1 else heapq.merge(*heads, key=_rank)

    def settle(
        self, connection: Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
    ) -> None:
        batch: dict[int, Settlement] = {}
        for settlement in settlements:
            is_plain = type(settlement.outcome) is Completed
            if not is_plain or settlement.job_id in batch:
                _complete(statements_on(connection), settler, batch, turn)
            if is_plain:
                batch[settlement.job_id] = settlement
            elif not settler.settle(settlement):
                turn.stale.append(settlement)
        _complete(statements_on(connection), settler, batch, turn)


class _Free(Statements):
    """Where nothing is limited, paused or pinned: which need not be asked again."""

    __slots__ = ()

    def execute(self, sql: str, parameters: Values = (), /) -> Any:
        return Nothing() if sql is _LIMITS else super().execute(sql, parameters)


def _is_limited(connection: Statements, request: ClaimRequest | None) -> bool:
    if request is None or request.limit <= 0 or not request.caps:
        return False
    values = {
        "queues": list({lane.queue for lane in request.caps}),
        "keys": list({lane.key for lane in request.caps}),
    }
    return connection.run(SQL["is_limited"], values).fetchall()[0][0]


def _shares(connection: Statements, plain: Mapping[Lane, int], limit: int) -> dict[Lane, int]:
    lanes = list(plain)
    rows = connection.run(SQL["shares"], {**_arrays(plain), "most": limit}).fetchall()
    return {lanes[place - 1]: most for place, most in rows}


def _arrays(lanes: Mapping[Lane, int]) -> dict[str, list[Any]]:
    return {
        "alones": [int(lane.alone) for lane in lanes],
        "queues": [lane.queue for lane in lanes],
        "keys": [lane.key for lane in lanes],
        "mosts": list(lanes.values()),
    }


def _rank(row: Any) -> tuple[int, int]:
    return -(row[10] or 0), row[1]


def _complete(connection: Statements, settler: Settler, batch: dict[int, Settlement], turn: Turn) -> None:
    if not batch:
        return
    some = list(batch.values())
    values = {
        "now_us": settler.now_us,
        "now": settler.now,
        "ids": list(batch),
        "attempts": [one.attempt for one in some],
        "tokens": [one.token for one in some],
        "results": [one.outcome.result for one in some if isinstance(one.outcome, Completed)],
    }
    # By name, not by number: a sum of counts would not say which one was stale.
    for (job_id,) in connection.run(SQL["settle_many"], values).fetchall():
        del batch[job_id]
    turn.stale.extend(batch.values())
    batch.clear()
