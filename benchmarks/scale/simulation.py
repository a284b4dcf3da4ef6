"""A thousand hosts on a few databases, event by event.

A database is a number of cores that serve requests in the order in which they come, and a log that is flushed
for all who wait. Jobs come at random, to the queues of one database; its hosts take them in turns as a
dispatcher does: a turn settles what has ended and claims what there is room for, one turn at a time, with a
gap in which more can gather. Jobs run for a random time. What a request costs was measured (``costs.py``).

What is left out, and what it would change: the network (adds its round trips to each wait), memory (the ready
index and the newest rows are taken to fit), and locks other than the processors (see ``docs/scale.md``).
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence

from benchmarks.scale.model import Cluster, Costs, Load, Told

PULSE_S = 10.0
_WARM_PART = 0.2
"""So much of the time is not counted: everything begins empty."""


class Simulation:
    """One run. The same seed gives the same run."""

    def __init__(self, costs: Costs, load: Load, cluster: Cluster, *, seconds: float, seed: int = 1) -> None:
        self.costs = costs
        self.load = load
        self.seconds = seconds
        self.random = random.Random(seed)
        self.now = 0.0
        self.waits: list[float] = []
        self.turns: list[float] = []
        self.claims: list[int] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.databases = [Database(self, cluster) for _ in range(cluster.databases)]
        hosts = [Host(self, self.databases[n % cluster.databases], cluster) for n in range(load.hosts)]
        for database in self.databases:
            database.hosts = [host for host in hosts if host.database is database]
            database.begin()

    @property
    def counts(self) -> bool:
        """The beginning is over."""
        return self.now > self.seconds * _WARM_PART

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Does it then."""
        heapq.heappush(self._events, (moment, next(self._order), do))

    def run(self) -> Told:
        """Lets the time pass, and tells."""
        while self._events and self._events[0][0] <= self.seconds:
            self.now, _, do = heapq.heappop(self._events)
            do()
        counted = self.seconds * (1 - _WARM_PART)
        cores = sum(database.cores for database in self.databases)
        return Told(
            jobs=len(self.waits),
            seconds=counted,
            busy=sum(database.used_s for database in self.databases) / (counted * cores),
            wal_busy=max(database.logged for database in self.databases)
            / (counted * self.databases[0].log_rate),
            wait_p50_s=_percentile(self.waits, 50),
            wait_p99_s=_percentile(self.waits, 99),
            turn_p99_s=_percentile(self.turns, 99),
            batch=sum(self.claims) / max(len(self.claims), 1),
            backlog=sum(len(database.ready) for database in self.databases),
            connections=max(2 * len(database.hosts) for database in self.databases),
        )


class Database:
    """Cores, a log, and the jobs that are ready."""

    def __init__(self, simulation: Simulation, cluster: Cluster) -> None:
        self._simulation = simulation
        self._flush_s = cluster.flush_s
        self.cores = cluster.cores
        self.log_rate = cluster.wal_bytes_s
        self._free_at = [0.0] * cluster.cores
        self._flush_begins = 0.0
        self.hosts: list[Host] = []
        self.ready: deque[float] = deque()
        self.used_s = 0.0
        self.logged = 0.0

    def begin(self) -> None:
        """Jobs come, and hosts give signs of life."""
        simulation = self._simulation
        self._per_s = simulation.load.rate / len(simulation.databases)
        simulation.at(simulation.random.expovariate(self._per_s), self._arrive)
        for host in self.hosts:
            simulation.at(simulation.random.uniform(0, PULSE_S), host.pulse)

    def serve(self, cost_s: float, done: Callable[[], None]) -> None:
        """A request: a core for so long, then a flush that others may share."""
        simulation = self._simulation
        start = max(simulation.now, heapq.heappop(self._free_at))
        end = start + cost_s
        heapq.heappush(self._free_at, end)
        if simulation.counts:
            self.used_s += cost_s
        if end > self._flush_begins:
            # The flush that is planned began before: the next one, as soon as that has ended.
            self._flush_begins = max(end, self._flush_begins + self._flush_s)
        simulation.at(self._flush_begins + self._flush_s, done)

    def _arrive(self) -> None:
        simulation = self._simulation
        simulation.at(simulation.now + simulation.random.expovariate(self._per_s), self._arrive)
        came = simulation.now
        self.serve(simulation.costs.enqueue_s, lambda: self._enqueued(came))

    def _enqueued(self, came: float) -> None:
        simulation = self._simulation
        self.ready.append(came)
        if simulation.counts:
            self.logged += simulation.costs.wal_bytes
            # Pruning and vacuuming follow, in the background, job for job.
            behind = simulation.costs.prune_s + simulation.costs.vacuum_s
            self.used_s += behind
            heapq.heapreplace(self._free_at, max(self._free_at[0], simulation.now) + behind)
        # The bell wakes everyone who listens; the first who has room gets there.
        for host in simulation.random.sample(self.hosts, min(3, len(self.hosts))):
            host.wake()


class Host:
    """A dispatcher and its workers."""

    def __init__(self, simulation: Simulation, database: Database, cluster: Cluster) -> None:
        self._simulation = simulation
        self.database = database
        self._gap_s = cluster.turn_gap_s
        self._free = simulation.load.workers
        self._ended = 0
        self._in_turn = False
        self._next_turn_at = 0.0

    def pulse(self) -> None:
        """A sign of life."""
        simulation = self._simulation
        self.database.serve(simulation.costs.pulse_s, lambda: None)
        simulation.at(simulation.now + PULSE_S, self.pulse)

    def wake(self) -> None:
        """There is something to settle, or to claim."""
        if self._in_turn or not (self._ended or (self._free and self.database.ready)):
            return
        self._in_turn = True
        simulation = self._simulation
        simulation.at(max(simulation.now, self._next_turn_at), self._turn)

    def _turn(self) -> None:
        simulation = self._simulation
        asked = simulation.now
        settled, self._ended = self._ended, 0
        self._free += settled
        ready = self.database.ready
        taken = [ready.popleft() for _ in range(min(self._free, len(ready)))]
        self._free -= len(taken)
        costs = simulation.costs
        cost_s = costs.turn_s + settled * costs.settle_s + len(taken) * costs.claim_s
        self.database.serve(cost_s, lambda: self._turned(asked, taken))

    def _turned(self, asked: float, taken: Sequence[float]) -> None:
        simulation = self._simulation
        if simulation.counts:
            simulation.turns.append(simulation.now - asked)
            simulation.waits.extend(simulation.now - came for came in taken)
            if taken:
                simulation.claims.append(len(taken))
        for _ in taken:
            run_s = simulation.random.expovariate(1 / simulation.load.run_s)
            simulation.at(simulation.now + run_s, self._end)
        self._in_turn = False
        self._next_turn_at = simulation.now + self._gap_s
        self.wake()

    def _end(self) -> None:
        self._ended += 1
        self.wake()


def _percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0
