"""A minute of eight isolates under a rate of 50 a second, on a virtual clock and a real database."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

import pytest

from windlass.outcome import Completed
from windlass.rate import Rate, read_rate
from windlass.store import open_store
from windlass.store.postgres.location import is_postgres
from windlass.store.protocol import Claim, ClaimRequest, Lane, NewJob, Settlement
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock
from windlass.worker.slots import LATE, Slots, is_late

SECOND = 1_000_000
LANES = [Lane(alone, "default", "sms") for alone in (False, True)]
RATE = read_rate("50/s")


class Troubles(NamedTuple):
    """What goes wrong, each at most so often or so badly."""

    wake_late_us: int = 0
    start_late_us: int = 0
    stall_chance: float = 0.0
    stall_us: int = 150_000
    crash_chance: float = 0.0
    jump_chance: float = 0.0
    work_us: int = 20_000


class Crowd:
    """Dispatchers with their isolates, each step at its own moment of the virtual clock."""

    def __init__(
        self, database: str, seed: int, troubles: Troubles, *, dispatchers: int, isolates: int
    ) -> None:
        self.chance = random.Random(seed)
        self.troubles = troubles
        self.clock = ManualClock()
        self.stores = [open_store(database, self.clock) for _ in range(dispatchers)]
        self.stores[0].migrate()
        self.owners = list(range(1, dispatchers + 1))
        self.isolates = isolates // dispatchers
        self.free = [self.isolates] * dispatchers
        self.ended: list[list[Settlement]] = [[] for _ in range(dispatchers)]
        self.slots = [Slots() for _ in range(dispatchers)]
        self.steps: list[tuple[int, int, str, int, Claim | None]] = []
        self.starts: list[int] = []
        self.wakes = [0] * dispatchers
        self.claims = 0
        self.count = 0

    def later(self, span_us: int, what: str, who: int, claim: Claim | None = None) -> None:
        self.count += 1
        heappush(self.steps, (self.clock.boot_us() + span_us, self.count, what, who, claim))

    def turn(self, who: int) -> None:
        """As a dispatcher would: settle, claim as many as there are free isolates, sleep until the slot."""
        store = self.stores[who]
        placed: list[Claim] = []

        def place(claim: Claim) -> bool:
            if len(placed) < self.free[who]:
                placed.append(claim)
            return placed[-1:] == [claim]

        caps = dict.fromkeys(LANES, self.free[who]) if self.free[who] else {}
        request = ClaimRequest(self.owners[who], 100, caps, place, extra_us=self.slots[who].extra_us)
        settlements, self.ended[who] = self.ended[who], []
        turn = store.settle_and_claim(settlements, request)
        self.claims += len(turn.claimed)
        if self.chance.random() < self.troubles.crash_chance and turn.claimed:
            # Killed between claim and start: its isolates end with it, and another one takes over.
            store.reclaim(self.owners[who])
            self.owners[who] += len(self.owners)
            self.steps = [one for one in self.steps if one[3] != who]
            self.free[who] = self.isolates
            self.ended[who].clear()
            self.later(50_000, "free", who)
            self.free[who] -= 1
            return
        self.free[who] -= len(turn.claimed)
        for claim in turn.claimed:
            stalls = self.chance.random() < self.troubles.stall_chance
            most_us = self.troubles.stall_us if stalls else self.troubles.start_late_us
            self.later(self.chance.randint(0, most_us), "start", who, claim)
        if turn.slot_in_us is not None:
            late_us = self.chance.randint(0, self.troubles.wake_late_us)
            self.wakes[who] = self.clock.boot_us() + turn.slot_in_us + late_us
            self.later(turn.slot_in_us + late_us, "wake", who)

    def start(self, who: int, claim: Claim) -> None:
        late = is_late(claim, self.clock)
        outcome = LATE if late else Completed(None)
        if not late:
            self.starts.append(self.clock.boot_us())
        self.slots[who].ended(claim, outcome)
        self.ended[who].append(Settlement(claim.job_id, claim.attempt, claim.token, outcome))
        self.later(0 if late else self.troubles.work_us, "free", who)

    def run(self, span_us: int) -> None:
        for who in range(len(self.stores)):
            self.turn(who)
        end = self.clock.boot_us() + span_us
        while self.steps and self.steps[0][0] <= end:
            at, _, what, who, claim = heappop(self.steps)
            self.clock.advance(timedelta(microseconds=max(at - self.clock.boot_us(), 0)))
            if self.chance.random() < self.troubles.jump_chance:
                self.clock.jump(self.clock.now + timedelta(days=self.chance.choice((-90, 90))))
            if what == "start":
                assert claim is not None
                self.start(who, claim)
            elif what == "free":
                self.free[who] += 1
                self.turn(who)
            elif self.wakes[who] == at:
                self.turn(who)

    def close(self) -> None:
        for store in self.stores:
            store.close()


def most_in_a_window(starts: list[int], span_us: int) -> int:
    """The most starts that any window of that length holds."""
    ordered, most, first = sorted(starts), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - span_us:
            first += 1
        most = max(most, last - first + 1)
    return most


def minute(
    database: str, troubles: Troubles, *, seed: int = 1, dispatchers: int = 1, span_us: int = 60 * SECOND
) -> Crowd:
    crowd = Crowd(database, seed, troubles, dispatchers=dispatchers, isolates=8)
    crowd.stores[0].set_limit("key", "sms", rate=RATE)
    crowd.stores[0].insert([NewJob(key="sms")] * 3200, durability="fast")
    crowd.run(span_us)
    crowd.close()
    return crowd


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.parametrize("dispatchers", [1, 4])
def test_fifty_a_second_over_eight_isolates_for_a_minute(database_url: str, dispatchers: int) -> None:
    """47.5 to 50 a second on average, at most 50 in any one second, each counted when it starts."""
    crowd = minute(database_url, Troubles(wake_late_us=5_000, start_late_us=15_000), dispatchers=dispatchers)
    assert most_in_a_window(crowd.starts, SECOND) <= 50
    assert 47.5 * 60 <= len(crowd.starts) <= 50 * 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_trouble_puts_more_starts_in_a_second(database_url: str, seed: int) -> None:
    """Slow wake-ups, slow starts, dispatchers that are killed between claim and start, clocks that jump."""
    troubles = Troubles(
        wake_late_us=9_000, start_late_us=19_000, stall_chance=0.05, crash_chance=0.002, jump_chance=0.02
    )
    # A server is asked over a socket, thousands of times: less of the same has to do.
    seconds = 5 if is_postgres(database_url) else 60
    crowd = minute(database_url, troubles, seed=seed, dispatchers=4, span_us=seconds * SECOND)
    assert most_in_a_window(crowd.starts, SECOND) <= 50
    # What did not start was counted, and work goes on.
    assert crowd.claims > len(crowd.starts) > 33 * seconds


@pytest.mark.sqlite
def test_a_machine_that_is_always_busy_starts_fewer(database_url: str) -> None:
    crowd = minute(database_url, Troubles(wake_late_us=40_000, start_late_us=120_000), dispatchers=4)
    assert most_in_a_window(crowd.starts, SECOND) <= 50
    assert len(crowd.starts) > 300


def test_starts_that_are_always_late_are_given_time_to_happen(database_url: str) -> None:
    """A machine on which nothing starts within the usual time starts fewer, not none."""
    crowd = Crowd(database_url, 1, Troubles(), dispatchers=1, isolates=2)
    crowd.stores[0].set_limit("key", "sms", rate=RATE)
    crowd.stores[0].insert([NewJob(key="sms")] * 50, durability="fast")
    crowd.later = _always_late(crowd)  # type: ignore[method-assign]
    crowd.run(60 * SECOND)
    crowd.close()
    assert len(crowd.starts) == 50
    assert most_in_a_window(crowd.starts, SECOND) <= 50


def _always_late(crowd: Crowd) -> Callable[..., None]:
    usual = crowd.later

    def later(span_us: int, what: str, who: int, claim: Claim | None = None) -> None:
        usual(300_000 if what == "start" else span_us, what, who, claim)

    return later


def test_an_hours_rate_holds_across_reboots(database_url: str) -> None:
    """Every reboot begins the clock anew; no hour, as a person counts it, holds more than ten."""
    clock, rate = ManualClock(), Rate(10, 3600 * SECOND)
    store = open_store(database_url, clock)
    store.migrate()
    store.set_limit("key", "report", rate=rate)
    store.insert([NewJob(key="report")] * 200)
    chance = random.Random(7)
    starts: list[int] = []
    while clock.wall_us() < ManualClock().wall_us() + 10 * 3600 * SECOND:
        caps = dict.fromkeys(store.lanes(), 10)
        turn = store.settle_and_claim([], ClaimRequest(1, 10, caps, lambda _: True))
        starts += [clock.wall_us()] * len(turn.claimed)
        clock.advance(timedelta(seconds=chance.randint(1, 300)))
        if chance.random() < 0.05:
            clock.reboot()
    store.close()
    assert most_in_a_window(starts, 3600 * SECOND) <= 10
    assert len(starts) > 50


def test_blocked_jobs_are_never_read(path: Path, clock: ManualClock) -> None:
    """A claim beside ten thousand takes as many steps of SQLite's machine as beside a hundred."""
    steps: dict[int, int] = {}
    for many in (100, 10_000):
        store = SqliteStore(path.with_name(f"{many}.db"), clock)
        store.migrate()
        store.set_limit("key", "sms", rate=read_rate("1/m"), concurrency=5)
        store.insert([NewJob(key="sms", priority=9)] * many, durability="fast")
        store.insert([NewJob(key="letter")] * 3, durability="fast")
        lanes = dict.fromkeys(store.lanes(), 1)
        store.settle_and_claim([], ClaimRequest(1, 10, lanes, lambda _: True))
        taken = [0]

        def step(taken: list[int] = taken) -> int:
            taken[0] += 1
            return 0

        with store.database.write(full=False) as connection:
            connection.set_progress_handler(step, 1)
        lanes = dict.fromkeys(store.lanes(), 1)
        turn = store.settle_and_claim([], ClaimRequest(1, 10, lanes, lambda _: True))
        with store.database.write(full=False) as connection:
            connection.set_progress_handler(None, 0)
        assert [one.key for one in turn.claimed] == ["letter"]
        steps[many] = taken[0]
        store.close()
    assert steps[10_000] <= steps[100] * 1.05
