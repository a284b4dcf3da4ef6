"""Claim and settle beside other dispatchers: a batch in one statement, and rows that others have are skipped.

A turn shares the lock of the schema with other turns. It locks first the rows of the jobs that it settles,
which nobody else settles; then their children, in the order of their ids; then ready rows that nobody has.
Only where a limit over all dispatchers is to be kept it is alone.
"""

from __future__ import annotations

import heapq
import json
import secrets
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from windlass.clock import monotonic
from windlass.errors import StoreUnavailable
from windlass.outcome import Completed
from windlass.store.logbook import LogChunk
from windlass.store.postgres.bundling import Step
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.faults import Tangled, again
from windlass.store.postgres.ready import claims_of, shelves_of
from windlass.store.postgres.settling import batched
from windlass.store.postgres.shelves import Shelf
from windlass.store.postgres.statements import Statements, statements_on
from windlass.store.postgres.taking import Taking, unspent
from windlass.store.postgres.turning import Ahead, beside_others
from windlass.store.protocol import Claim, ClaimRequest, Lane, ProgressNote, Promotion, Settlement, Turn
from windlass.store.relational import dispatching
from windlass.store.relational.engine import Connection
from windlass.store.relational.recording import waited_us
from windlass.store.relational.settling import Settler
from windlass.store.relational.statements import SQL as REFERENCE

_SHELF = itemgetter(8, 7, 2, 10)
"""What tells the shelf of a row, as claim_lane.sql has it."""


class _Limited(Exception):
    """Something is to be kept that all dispatchers share: the turn again, alone."""


class _Handing:
    """Hands jobs over to the pool, and knows whether it has."""

    def __init__(self, accept: Callable[[Claim], bool]) -> None:
        self._accept = accept
        self.has_begun = False

    def __call__(self, claim: Claim) -> bool:
        self.has_begun = True
        return self._accept(claim)


class Dispatching(Taking, dispatching.Dispatching):
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
        handing = None if request is None else _Handing(request.accept)
        asked = None if request is None or handing is None else request._replace(accept=handing)

        def turn() -> Turn:
            try:
                return super(Dispatching, self).settle_and_claim(settlements, asked, progress, logs)
            except Tangled as error:
                if handing is not None and handing.has_begun:
                    # The pool has jobs of a claim that failed: it has to forget them before there is another.
                    raise StoreUnavailable(str(error)) from error
                raise

        if request is not None:
            self.look_if_due()
            if not (settlements or progress or logs):
                taken = again(lambda: self.take(request))
                if taken is not None:
                    done, declined = taken
                    self._put_back(declined)
                    return done
        try:
            done = again(turn)
        except _Limited:
            self._was_limited = True
            done = again(turn)
        if done.freed or any(type(one.outcome) is not Completed for one in settlements):
            self.shelves.came_back()
        return done

    def _put_back(self, declined: Sequence[Settlement]) -> None:
        """What was marked, and the pool did not take after all."""
        if declined:
            again(lambda: super(Dispatching, self).settle_and_claim(declined))
            self.shelves.came_back()

    def promote(self, limit: int = 1000) -> Promotion:
        promotion = super().promote(limit)
        if promotion.promoted:
            self.shelves.came_back()
        return self._look_below(promotion) if self.shelves.unsure else promotion

    def _look_below(self, promotion: Promotion) -> Promotion:
        """What came back below a floor is found, also where nobody claims any more and so looks for it."""
        rest_us = int(self.shelves.rest_s(monotonic()) * 1_000_000)
        if rest_us > 0:
            waits_us = [us for us in (promotion.next_due_us, rest_us) if us is not None]
            return promotion._replace(next_due_us=min(waits_us))
        with self.database.read() as connection:
            found = self.look_whole(connection)
        return promotion._replace(promoted=promotion.promoted + len(found))

    @contextmanager
    def turn(self, request: ClaimRequest | None, *, full: bool) -> Generator[Connection]:
        """Beside others, or alone where a limit is to be kept."""

        def check(connection: Statements) -> None:
            # Under the lock: nobody sets a limit before this turn is over.
            if _is_limited(connection, request):
                raise _Limited

        if self.database.is_own and not self._was_limited:
            declined: list[Settlement] = []
            with beside_others(self.database, request, self.shelves.claim, check, full=full) as connection:
                yield connection
                declined = connection.declined
            self._put_back(declined)
            return
        with self.database.write(full=full) as connection:
            self._was_limited = _is_limited(connection, request)
            yield connection

    def _claim(
        self, connection: Connection, request: ClaimRequest, moment: tuple[int, str], turn: Turn
    ) -> int | None:
        """Where it is sure what to claim, the pool places the jobs while the server marks and commits."""
        best = connection.surely_best() if isinstance(connection, Ahead) else None
        token = secrets.randbits(62) + 1
        claims = claims_of(*best, token) if best else None
        if not isinstance(connection, Ahead) or not best or not claims:
            return super()._claim(connection, request, moment, turn)
        lane, rows = best
        now_us, now = moment
        self.shelves.claimed(shelves_of(lane, rows))

        def place() -> None:
            known: dict[str, int | None] = {}
            for claim, row in zip(claims, rows, strict=True):
                if not request.accept(claim):
                    connection.declined.append(unspent(claim))
                    continue
                turn.claimed.append(claim)
                since = row[-1]
                # Jobs that came together share the text.
                if since not in known:
                    known[since] = waited_us(now_us, since)
                turn.waited_us.append(known[since])

        ids = json.dumps([claim.job_id for claim in claims])
        connection.execute(REFERENCE["claim"], (request.owner, token, now, ids))
        connection.meanwhile = place
        return None

    def best(
        self, connection: Connection, request: ClaimRequest, mosts: Mapping[Lane, int], *, is_gated: bool
    ) -> Iterable[Any]:
        known = connection.best_of(mosts) if isinstance(connection, Ahead) else None
        if known is not None:
            self.shelves.claimed(_shelves(known))
            return known
        plain = {lane: most for lane, most in mosts.items() if lane.constraints is None}
        heads: list[Iterable[Any]] = [
            self.head(connection, lane, request.before.get(lane), most)
            for lane, most in mosts.items()
            if lane.constraints is not None
        ]
        for rows in self._best_of_plain(connection, plain, None if heads or is_gated else request.limit):
            self.shelves.claimed(_shelves(rows))
            heads.append(rows)
        return heads[0] if len(heads) == 1 else heapq.merge(*heads, key=_rank)

    def _best_of_plain(
        self, connection: Connection, mosts: Mapping[Lane, int], limit: int | None
    ) -> list[list[Any]]:
        """``limit``: so many are taken of all together."""
        if not mosts:
            return []
        if self.shelves.crowded:
            if limit is not None and len(mosts) > 1:
                mosts = _shares(statements_on(connection), mosts, self.shelves.shares(mosts, limit))
            return self.best_beyond(connection, mosts)
        if len(mosts) == 1:
            [(lane, most)] = mosts.items()
            return [self.head(connection, lane, None, most).fetchall()]
        on = statements_on(connection)
        if limit is not None:
            mosts = _shares(on, mosts, (SQL["shares"], {**_arrays(mosts), "most": limit}))
        return [on.run(SQL["claim_lanes"], _arrays(mosts)).fetchall()]

    def settle(
        self, connection: Connection, settler: Settler, settlements: Sequence[Settlement], turn: Turn
    ) -> None:
        if len({settlement.job_id for settlement in settlements}) < len(settlements):
            for settlement in settlements:
                self.settle(connection, settler, [settlement], turn)
            return
        batches, rest = batched(settler, settlements)
        steps = [batch.step for batch in batches]
        if isinstance(connection, Ahead):
            cursors = connection.run_ahead(steps)
        else:
            cursors = [statements_on(connection).run(*step) for step in steps]
        for batch, cursor in zip(batches, cursors, strict=True):
            left = batch.left(cursor)
            if left and type(left[0].outcome) is Completed:
                turn.stale.extend(left)
            else:
                rest.extend(left)
        turn.stale.extend(one for one in rest if not settler.settle(one))


def _is_limited(connection: Statements, request: ClaimRequest | None) -> bool:
    if request is None or request.limit <= 0 or not request.caps:
        return False
    values = {
        "queues": list({lane.queue for lane in request.caps}),
        "keys": list({lane.key for lane in request.caps}),
    }
    return connection.run(SQL["is_limited"], values).fetchall()[0][0]


def _shares(connection: Statements, mosts: Mapping[Lane, int], asked: Step) -> dict[Lane, int]:
    """How many to lock in each lane, as this says."""
    lanes = list(mosts)
    return {lanes[place - 1]: most for place, most in connection.run(*asked).fetchall()}


def _arrays(lanes: Mapping[Lane, int]) -> dict[str, list[Any]]:
    return {
        "alones": [int(lane.alone) for lane in lanes],
        "queues": [lane.queue for lane in lanes],
        "keys": [lane.key for lane in lanes],
        "mosts": list(lanes.values()),
    }


def _shelves(rows: Iterable[Any]) -> set[Shelf]:
    return {Shelf(alone, queue, key, priority or 0) for alone, queue, key, priority in set(map(_SHELF, rows))}


def _rank(row: Any) -> tuple[int, int]:
    return -(row[10] or 0), row[1]
