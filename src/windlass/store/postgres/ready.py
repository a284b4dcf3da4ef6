"""The ready jobs of one lane, as a claim reads them: what its jobs have in common is not sent with each.

A row is its id, payload, attempts, max_attempts, timeout_us, crashes, priority, whether created_at is written
as ours are (None: as updated_at is), and updated_at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from windlass.store.postgres.shelves import Shelf
from windlass.store.protocol import Claim, Lane
from windlass.store.relational.foreign import ATTEMPTS_MOST

_OURS = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9][.][0-9]{3}Z")
_PRIORITY = itemgetter(6)


def claims_of(lane: Lane, rows: Sequence[Any], token: int) -> list[Claim] | None:
    """Their claims; None where any row is written otherwise than ours, and has to be looked at first."""
    alone, queue, key, _ = lane
    claims: list[Claim] = []
    ours: str | None = None
    for job_id, payload, attempts, allowed, timeout_us, crashes, _, dated, since in rows:
        # Jobs that came together share the text.
        if dated is None and since == ours:
            dated = True
        elif dated is None and _OURS.fullmatch(since):
            dated, ours = True, since
        attempts = 0 if attempts is None else attempts
        allowed = 3 if allowed is None else allowed
        # Of what ``unreadable`` finds, this is all that the columns' types allow.
        if not dated or allowed < 1 or not 0 <= attempts <= ATTEMPTS_MOST:
            return None
        claims.append(
            Claim(job_id, key, payload, attempts + 1, allowed, token, timeout_us, queue, alone, crashes)
        )
    return claims


def widened(lane: Lane, rows: Iterable[Any]) -> list[Any]:
    """Their rows as claim_lane.sql has them."""
    return [
        (
            None, job_id, lane.key, payload, attempts, allowed, timeout_us, lane.queue, int(lane.alone),
            crashes, priority, _OURS.fullmatch(since) is not None if dated is None else dated, None, since,
        )
        for job_id, payload, attempts, allowed, timeout_us, crashes, priority, dated, since in rows
    ]  # fmt: skip


def shelves_of(lane: Lane, rows: Iterable[Any]) -> set[Shelf]:
    """The shelves that they are on."""
    alone, queue, key, _ = lane
    return {Shelf(int(alone), queue, key, priority or 0) for priority in set(map(_PRIORITY, rows))}
