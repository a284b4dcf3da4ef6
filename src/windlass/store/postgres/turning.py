"""A turn in two round trips: what is sure to be asked goes out together, ahead of the questions.

The first: begin, take the lock, settle what has ended, ask what stands in the way, and lock the best ready
jobs. The second: mark those that were taken, and commit; what else is to be done for them is done while the
server is at it. In between, the roles' logic runs as ever, and most of its questions are answered already.
Whatever else it has to say is said at once, in its place, and then nothing counts as known that it may have
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from windlass.store.postgres.bundling import Answer, Step
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL, respelled
from windlass.store.postgres.ready import widened
from windlass.store.postgres.statements import Nothing, Row, Statements, together
from windlass.store.protocol import ClaimRequest, Lane, Settlement
from windlass.store.relational.engine import Values
from windlass.store.relational.statements import SQL as REFERENCE

_LIMITS, _CLAIM = REFERENCE["limits"], REFERENCE["claim"]
_ANY_FLOW, _ANY_LINE = REFERENCE["flow_any"], REFERENCE["line_any"]
_CLAIM_TEXT = respelled(_CLAIM)
_FREE: Step = (SQL["is_free"], ())
_ASKS: Step = (SQL["turn_asks"], ())


class Ahead(Statements):
    """The connection of a turn beside others."""

    __slots__ = (
        "_begin",
        "_best",
        "_check",
        "_claim",
        "_found",
        "_is_free",
        "_last",
        "_request",
        "declined",
        "meanwhile",
    )

    def __init__(
        self,
        raw: psycopg.Connection[Any],
        begin: Sequence[Step],
        request: ClaimRequest | None,
        claim: Callable[[Lane, int], Step],
        check: Callable[[Ahead], None],
    ) -> None:
        super().__init__(raw)
        self._begin = list(begin)
        self._request = request
        self._claim = claim
        self._check = check
        self._is_free = False
        self._found: tuple[bool, bool] | None = None
        """Does any job wait for others; does any wait in line for a unique key?"""
        self._best: tuple[Lane, int, list[Any]] | None = None
        self._last: Step | None = None
        self.meanwhile: Callable[[], None] = _nothing
        """Called while the server marks and commits, or after."""
        self.declined: list[Settlement] = []
        """What was marked and is not to run after all."""

    @property
    def has_begun(self) -> bool:
        """Something was said."""
        return not self._begin

    def take_last(self) -> list[Step]:
        """What may go out together with the commit."""
        last, self._last = self._last, None
        return [] if last is None else [last]

    # ── ahead of the questions ─────────────────────────────────────────────────────────────────
    def run_ahead(self, steps: Sequence[Step]) -> Sequence[Answer]:
        """Settles by these statements, and asks what comes next; their answers."""
        begin, self._begin = self._begin, []
        self._best = None
        wanted = self._wanted()
        claim: list[Step] = [self._claim(*wanted)] if wanted else []
        cursors = together(self.raw, [*begin, *steps, _ASKS, *claim], self.fresh)
        free, flows, lines = cursors[len(begin) + len(steps)].fetchall()[0]
        self._know(is_free=free)
        self._found = flows, lines
        # Who is freed by a settlement may come before these.
        if wanted and free and not (flows or lines):
            self._best = *wanted, cursors[-1].fetchall()
        return cursors[len(begin) : len(begin) + len(steps)]

    def _wanted(self) -> tuple[Lane, int] | None:
        """The one lane to claim from, where it is so simple, and how many."""
        request = self._request
        if request is None or request.limit <= 0:
            return None
        mosts = {lane: min(cap, request.limit) for lane, cap in request.caps.items() if cap > 0}
        simple = len(mosts) == 1 and all(lane.constraints is None for lane in mosts)
        return next(iter(mosts.items())) if simple else None

    def surely_best(self) -> tuple[Lane, list[Any]] | None:
        """The rows of the one lane's best jobs, as in ``ready``, where nothing stands in the way of any."""
        return (self._best[0], self._best[2]) if self._best is not None else None

    def best_of(self, mosts: Mapping[Lane, int]) -> list[Any] | None:
        """The best jobs of these lanes as claim_lane.sql has them, where they are known."""
        if self._best is None or dict(mosts) != {self._best[0]: self._best[1]}:
            return None
        return widened(self._best[0], self._best[2])

    def _know(self, *, is_free: bool) -> None:
        self._is_free = is_free
        if not is_free:
            self._check(self)

    # ── in its place ───────────────────────────────────────────────────────────────────────────
    def fresh(self) -> psycopg.Cursor[Any]:
        """A cursor for what is known to change nothing that is known."""
        return super().cursor()

    def cursor(self) -> psycopg.Cursor[Any]:
        self._catch_up()
        self._found = self._best = None
        return super().cursor()

    def execute(self, sql: str, parameters: Values = (), /) -> Any:
        if self._found is not None:
            if sql is _ANY_FLOW:
                return Row((self._found[0],))
            if sql is _ANY_LINE:
                return Row((1,)) if self._found[1] else Nothing()
        if self._is_free:
            if sql is _LIMITS:
                return Nothing()
            if sql is _CLAIM:
                self._catch_up()
                self._last = _CLAIM_TEXT.text, _CLAIM_TEXT.values(parameters)
                return Nothing()
        if sql.startswith("SAVEPOINT"):
            # One by one: each may still be undone.
            self._request = None
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Any:
        rows = list(parameters)
        return super().executemany(sql, rows) if rows else Nothing()

    def _catch_up(self) -> None:
        if self._begin:
            begin, self._begin = self._begin, []
            cursors = together(self.raw, [*begin, _FREE], self.fresh)
            self._know(is_free=cursors[-1].fetchall()[0][0])
        if self._last is not None:
            together(self.raw, self.take_last(), self.fresh)


@contextmanager
def beside_others(
    database: Database,
    request: ClaimRequest | None,
    claim: Callable[[Lane, int], Step],
    check: Callable[[Ahead], None],
    *,
    full: bool,
) -> Generator[Ahead]:
    """The transaction of a turn; begins with the first word of it, and ends with its last one.

    ``claim`` is the statement that locks the best jobs of a lane.
    ``check`` may refuse it where something is limited, paused or pinned, as soon as that is known.
    """
    database.refuse_nesting()
    with database.held() as raw:
        ahead = Ahead(raw, database.beginning(full=full, turn="shared"), request, claim, check)
        yield ahead
        if ahead.has_begun:
            database.check_open(raw)
            database.commit(raw, last=ahead.take_last(), meanwhile=ahead.meanwhile)


def _nothing() -> None:
    pass
