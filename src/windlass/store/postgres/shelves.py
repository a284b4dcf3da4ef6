"""Where claims begin while the index is crowded with entries of jobs that are ready no more.

The index entries of what was claimed stay until the next vacuum, on pages that each claim would go through on
its way to the first ready job. While a transaction stays open (a dump, a forgotten session) it would even
visit every one of them. So where walks were seen to be long, they begin at floors. The jobs of one lane and
one priority are a *shelf*, and the floor of a shelf is the first ready id that was found there a while ago.
What comes back below its floor (a retry, or an enqueue that was committed late) is found by a look from the
very beginning, which a hundredth of the time is spent on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple

from windlass.store.postgres.arrays import bigints, texts
from windlass.store.postgres.bundling import Step
from windlass.store.postgres.dialect import SQL
from windlass.store.protocol import Lane

CROWDED, CROWDED_PAGES = 2000, 100
"""A look that visits so many entries of jobs not ready, or so many pages, is long; one of a quarter is
short again. What the server knows to be of no use is not among the visited entries, but on visited pages."""
_PAGES_A_HEAD = 6
"""What a look visits for each head in any case: two ways down from the root."""
_MOVE_EVERY_S = 0.5
"""So old a floor is at least, and twice so old at most: what was committed later than this is found late."""
_LOOK_EVERY_S = 5.0
_LEAST_REST_S = 1.0
_REST = 100
_SHORT_REST = 10
"""A look from the beginning rests so many times longer than it took; a shorter time after jobs came back."""
_IDLE_REST_S = 0.2
"""Who found nothing from the floors on rests for no longer, where looks are quick."""
_SHELVES_MOST = 1000
PRIORITIES_MOST = 20
"""A lane of more than these is walked whole."""
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class Shelf(NamedTuple):
    """The ready jobs of one lane and one priority: the lower the id, the earlier."""

    alone: int
    queue: str
    key: str
    priority: int

    @property
    def lane(self) -> Lane:
        """Whose part it is."""
        return Lane(bool(self.alone), self.queue, self.key)


class Visited(NamedTuple):
    """What of an index a look went through."""

    entries: int
    pages: int


class Shelves:
    """What one process knows of the shelves of one database. Thread-safe."""

    def __init__(self) -> None:
        self.crowded = False
        """Claims begin at floors."""
        self.unsure = False
        """Nothing is ready from the floors on, and what is below them was not looked at since."""
        self._lock = threading.Lock()
        self._floors: dict[Shelf, int] = {}
        self._next: dict[Shelf, int] = {}
        """The floors after the next move: what commits now may have a lower id than what was found ready."""
        self._moved_at = 0.0
        self._claimed: set[Shelf] = set()
        self._has_claimed = False
        self._whole_at = self._looked_at = self._took_s = 0.0

    # ── from the dispatcher ────────────────────────────────────────────────────────────────────
    def claimed(self, found: set[Shelf]) -> None:
        """Jobs were claimed from these: their entries are left where they were."""
        if not found:
            return
        self._has_claimed = True
        if not found <= self._claimed:
            with self._lock:
                if len(self._claimed) >= _SHELVES_MOST:
                    self._claimed.clear()
                self._claimed |= found

    def came_back(self) -> None:
        """Jobs may be ready again below the floors."""
        if self.crowded:
            self._whole_at = min(self._whole_at, self._looked_at + _SHORT_REST * self._took_s)

    # ── looks ──────────────────────────────────────────────────────────────────────────────────
    def due(self, now: float) -> Literal["whole", "move"] | None:
        """The look that is to be taken before a claim, if any."""
        if (self.crowded or self._has_claimed) and now >= self._whole_at:
            return "whole"
        return "move" if self.crowded and now >= self._moved_at + _MOVE_EVERY_S else None

    def looked_whole(
        self, heads: Mapping[Shelf, int], last_id: int, visited: Visited, took_s: float, now: float
    ) -> None:
        """From the very beginning, these are the first ready ids; so much was visited on the way."""
        with self._lock:
            entries = visited.entries - len(heads)
            pages = visited.pages - _PAGES_A_HEAD * (len(heads) + 1)
            length = max(entries / CROWDED, pages / CROWDED_PAGES)
            # A look that ended below a floor says nothing of what is beyond it.
            below = any(first < self._floors.get(shelf, first) for shelf, first in heads.items())
            was, self.crowded = self.crowded, length > (1 / 4 if self.crowded else 1) or below
            self._has_claimed = self.unsure = False
            self._looked_at, self._took_s = now, took_s
            self._whole_at = now + max(_LEAST_REST_S if self.crowded else _LOOK_EVERY_S, _REST * took_s)
            if not (was and self.crowded):
                self._floors, self._next, self._moved_at = {}, {}, 0.0
            if self.crowded:
                self._move_if_due(heads, last_id, now)
                for shelf, first in heads.items():
                    # Some may have come back.
                    for floors in (self._floors, self._next):
                        if floors.get(shelf, 0) > first:
                            floors[shelf] = first

    def rest_s(self, now: float) -> float:
        """How long until whoever found nothing from the floors on may look from the beginning."""
        soon = self._looked_at + max(_IDLE_REST_S, _SHORT_REST * self._took_s)
        return max(min(soon, self._whole_at) - now, 0.0)

    def looked_beyond(self, heads: Mapping[Shelf, int], last_id: int, now: float) -> None:
        """From the floors on, these are the first ready ids."""
        with self._lock:
            if self.crowded:
                self._move_if_due(heads, last_id, now)

    def _move_if_due(self, heads: Mapping[Shelf, int], last_id: int, now: float) -> None:
        if now < self._moved_at + _MOVE_EVERY_S:
            return
        known = heads.keys() | self._claimed | self._next.keys()
        if len(known) > _SHELVES_MOST:
            known = set(islice(heads, _SHELVES_MOST))
        # Where nothing is ready: beyond all that is there by now.
        found = {shelf: heads.get(shelf, last_id) for shelf in known}
        self._floors = {shelf: min(self._next.get(shelf, 0), first) for shelf, first in found.items()}
        self._next = found
        self._moved_at = now

    def known(self) -> set[Shelf]:
        """Those that have floors."""
        with self._lock:
            return set(self._floors)

    # ── statements ─────────────────────────────────────────────────────────────────────────────
    def heads(self, known: Iterable[Shelf]) -> Step:
        """Asks for the first ready ids of these shelves, from the floors on, and for one in each gap."""
        with self._lock:
            floors: dict[Shelf, int] = dict.fromkeys(known, 0) | self._floors
        shelves = sorted(floors, key=_in_the_index)
        lanes = _lanes(shelves)
        gaps = [
            (lane, below, above)
            for lane, priorities in lanes.items()
            for below, above in pairwise([_HIGHEST, *priorities, _LOWEST])
        ]
        ends = [(-1, "", ""), *lanes, (_HIGHEST, "", "")]
        values: dict[str, Any] = {
            "priorities": bigints(shelf.priority for shelf in shelves),
            "floors": bigints(floors[shelf] for shelf in shelves),
            "below": bigints(below for _, below, _ in gaps),
            "above": bigints(above for _, _, above in gaps),
            **_columns("", [shelf[:3] for shelf in shelves]),
            **_columns("gap_", [lane for lane, _, _ in gaps]),
            **_columns("after_", ends[:-1]),
            **_columns("until_", ends[1:]),
        }
        return SQL["heads_beyond"], values

    def claim(self, lane: Lane, most: int) -> tuple[str, Mapping[str, Any]]:
        """Locks the best jobs of a lane that needs no condition, from the floors on."""
        floors = self._floors_of(lane)
        values: dict[str, Any] = {
            "alone": int(lane.alone),
            "queue": lane.queue,
            "key": lane.key,
            "most": most,
        }
        for place, priority in enumerate(sorted(floors, reverse=True)):
            values |= {f"p{place}": priority, f"i{place}": floors[priority]}
        return _claim_text(len(floors)), values

    def shares(self, mosts: Mapping[Lane, int], limit: int) -> Step:
        """Asks how many of the best jobs each lane has, from the floors on; by the lane's place, from 1."""
        shelves: list[tuple[int, Lane, int, int, int]] = []
        gaps: list[tuple[int, Lane, int, int, int]] = []
        for place, (lane, most) in enumerate(mosts.items(), 1):
            floors = self._floors_of(lane)
            shelves += [(place, lane, most, *one) for one in floors.items()]
            ends = [_HIGHEST, *sorted(floors, reverse=True), _LOWEST]
            gaps += [(place, lane, most, below, above) for below, above in pairwise(ends)]
        values: dict[str, Any] = {
            "most": limit,
            "priorities": bigints(one[3] for one in shelves),
            "floors": bigints(one[4] for one in shelves),
            "below": bigints(one[3] for one in gaps),
            "above": bigints(one[4] for one in gaps),
        }
        for prefix, some in (("", shelves), ("gap_", gaps)):
            lanes = [(int(lane.alone), lane.queue, lane.key) for _, lane, *_ in some]
            values |= _columns(prefix, lanes)
            values[f"{prefix}places"] = bigints(one[0] for one in some)
            values[f"{prefix}mosts"] = bigints(one[2] for one in some)
        return SQL["shares_beyond"], values

    def _floors_of(self, lane: Lane) -> dict[int, int]:
        """By priority; none where they are so many that the lane is walked whole."""
        with self._lock:
            floors = {shelf.priority: floor for shelf, floor in self._floors.items() if shelf.lane == lane}
        return floors if len(floors) <= PRIORITIES_MOST else {}


@lru_cache(maxsize=PRIORITIES_MOST + 1)
def _claim_text(count: int) -> str:
    """The statement for a lane with so many known priorities: the server takes its parts in their order."""
    if not count:
        return SQL["claim_part"].replace("/* where */", "true")
    wheres = ["coalesce(priority, 0) > %(p0)s"]
    for place in range(count):
        wheres.append(f"coalesce(priority, 0) = %(p{place})s AND id >= %(i{place})s")
        below = f"coalesce(priority, 0) < %(p{place})s"
        above = f" AND coalesce(priority, 0) > %(p{place + 1})s" if place + 1 < count else ""
        wheres.append(below + above)
    parts = [
        f"SELECT * FROM ({SQL['claim_part'].replace('/* where */', where)}) AS part{place}"  # noqa: S608
        for place, where in enumerate(wheres)
    ]
    return " UNION ALL ".join(parts) + " LIMIT %(most)s"


def _in_the_index(shelf: Shelf) -> tuple[int, bytes, bytes, int]:
    return shelf.alone, shelf.queue.encode(), shelf.key.encode(), -shelf.priority


def _lanes(shelves: Iterable[Shelf]) -> dict[tuple[int, str, str], list[int]]:
    """The priorities of each lane, all in their order."""
    found: dict[tuple[int, str, str], list[int]] = {}
    for alone, queue, key, priority in shelves:
        found.setdefault((alone, queue, key), []).append(priority)
    return found


def _columns(prefix: str, lanes: Sequence[tuple[int, str, str]]) -> dict[str, str]:
    return {
        f"{prefix}alones": bigints(alone for alone, _, _ in lanes),
        f"{prefix}queues": texts(queue for _, queue, _ in lanes),
        f"{prefix}keys": texts(key for _, _, key in lanes),
    }
