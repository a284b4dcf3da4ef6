"""A claim in one round trip, as a dispatcher that was idle needs it most.

Where there is nothing to settle and one lane to claim from, there is nothing to decide between locking the
best jobs and marking them. Begin, lock, claim and commit go out together: a pipeline is a transaction. What
the pool does not take after all goes back at once, unspent.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any

import psycopg

from windlass.clock import monotonic
from windlass.outcome import Released
from windlass.store.postgres.bundling import Step
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.faults import is_lost
from windlass.store.postgres.laning import Laning
from windlass.store.postgres.shelves import PRIORITIES_MOST, Shelf
from windlass.store.postgres.statements import together
from windlass.store.protocol import Claim, ClaimRequest, Lane, Settlement, Turn
from windlass.store.relational.recording import waited_us

_NOT_SOON_S = 2.0
"""Where something stood in the way, it will for a while."""


class Taking(Laning):
    """The quick way to claim, where it is open."""

    database: Database

    _take_again_at = 0.0

    def take(self, request: ClaimRequest) -> tuple[Turn, list[Settlement]] | None:
        """What a turn that only claims gives, and what has to go back; None where it takes a whole turn."""
        lane, most = self._only_lane(request)
        if lane is None or monotonic() < self._take_again_at:
            return None
        now_us, now = self.now()
        token = secrets.randbits(62) + 1
        best, given = self.shelves.claim(lane, most)
        values = {**given, "owner": request.owner, "token": token, "now": now}
        found = self._taken((_text(best), values))
        if found is None:
            self._take_again_at = monotonic() + _NOT_SOON_S
            return None
        turn = Turn([], [], [], more=False, waited_us=[])
        declined: list[Settlement] = []
        for job_id, payload, attempt, allowed, timeout_us, crashes, _, since in sorted(found, key=_rank):
            claim = Claim(
                job_id, lane.key, payload, attempt, allowed, token, timeout_us, lane.queue, lane.alone,
                crashes,
            )  # fmt: skip
            if request.accept(claim):
                turn.claimed.append(claim)
                turn.waited_us.append(waited_us(now_us, since))
            else:
                declined.append(unspent(claim))
        self.shelves.claimed({Shelf(int(lane.alone), lane.queue, lane.key, row[6] or 0) for row in found})
        return turn._replace(more=len(turn.claimed) >= request.limit), declined

    def _only_lane(self, request: ClaimRequest) -> tuple[Lane | None, int]:
        mosts = {lane: min(cap, request.limit) for lane, cap in request.caps.items() if cap > 0}
        if len(mosts) != 1 or request.limit <= 0 or not self.database.is_own:
            return None, 0
        if self.database.connections.facts.pooled:
            # What is no transaction of its own there goes by the server's default isolation.
            return None, 0
        if not psycopg.Pipeline.is_supported():
            # Each statement would be a transaction, and the lock would be gone with the first.
            return None, 0
        [(lane, most)] = mosts.items()
        return (lane if lane.constraints is None else None), most

    def _taken(self, step: Step) -> list[Any] | None:
        """The rows of the jobs; None where something stands in the way."""
        database = self.database
        database.refuse_nesting()
        _, *lock = database.beginning(full=False, turn="shared")
        with database.alone() as connection:
            try:
                rows = together(connection.raw, [*lock, step], connection.cursor)[-1].fetchall()
            except psycopg.Error as error:
                if is_lost(error):
                    raise database.unknown(error) from error
                raise
        return [row[1:] for row in rows if row[1] is not None] if rows[0][0] else None


@lru_cache(maxsize=PRIORITIES_MOST + 1)
def _text(best: str) -> str:
    """The statement that claims what this one locks."""
    return SQL["take"].replace("/* is_free */", SQL["is_free"]).replace("/* best */", best)


def unspent(claim: Claim) -> Settlement:
    """Puts back what was claimed, and the pool did not take."""
    return Settlement(claim.job_id, claim.attempt, claim.token, Released("no room"))


def _rank(row: Any) -> tuple[int, int]:
    return -(row[6] or 0), row[0]
