"""Drives a storm: ``kill -9`` among the processes of a fleet at random, then the drain and the verdict."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from tests.storm import processes
from tests.storm.bases import OPEN_JOBS
from tests.storm.checker import Verdict, check
from tests.storm.fleet import Fleet
from tests.storm.history import AUDIT, read
from tests.storm.journal import Journal

START_S = 120.0
STALL_S = 180.0
"""A busy machine makes a storm longer, not wrong."""
LEASE_S, RECLAIM_S = 35.0, 3.0
"""A dispatcher that gives no sign for so long loses its jobs; the others look every second."""
JITTER_S = 0.1
"""Kills come up to this long after the sign that there is something to interrupt."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What kind of storm."""

    kills: int
    seed: int
    seconds_least: float = 0.0
    """Goes on killing for this long, also after the last of ``kills``."""
    seconds_limit: float = 1800.0
    mean_gap_s: float = 0.2
    producers: int = 3
    drain_s: float = STALL_S
    """How long nothing may happen, while jobs are left, before the drain is given up."""
    drain_most_s: float = 120.0
    weights: dict[str, int] = field(
        default_factory=lambda: {"isolate": 62, "dispatcher": 14, "group": 5, "producer": 16, "embedded": 3}
    )
    embedded: bool = True
    """A program with a dispatcher of its own runs jobs beside the service."""
    freezes: int = 0
    """How often a dispatcher is stopped for longer than its lease, and goes on while others have its jobs."""
    lease_s: float | None = None
    """A shorter lease than the real one, so that a freeze need not last as long."""
    work_ms: int | None = None
    """Every job takes so long; otherwise most of them take no time, and some up to 120 ms."""
    plant: str | None = None
    """A bug to plant in the service and its producers."""


@dataclass
class Outcome:
    """How a storm went."""

    kills: Counter[str]
    seconds: float
    verdict: Verdict


class Storm:
    """One storm in one folder."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder.resolve()
        self._say = say
        self._rng = random.Random(plan.seed)
        self._log = Journal(self._folder / "kills.log")
        extra = {"STORM_PLANT": plan.plant} if plan.plant else {}
        if plan.lease_s:
            extra["STORM_LEASE_S"] = str(plan.lease_s)
        if plan.work_ms is not None:
            extra["STORM_WORK_MS"] = str(plan.work_ms)
        self._fleet = Fleet(self._folder, self._rng, say, extra)
        self._kills: Counter[str] = Counter()
        self._frozen = 0

    def run(self) -> Outcome:
        """The storm, the drain, the stop, and the verdict on all of it."""
        fleet = self._fleet
        processes.sweep()
        try:
            fleet.start_service()
            self._prepare()
            if self._plan.embedded:
                fleet.start_embedded()
            for _ in range(self._plan.producers):
                fleet.start_producer()
            began = time.monotonic()
            self._rage(began)
            stormy = time.monotonic() - began
            fleet.stop_producers()
            self._drain()
            fleet.stop_service()
        finally:
            fleet.end_everything()
            self._log.close()
        verdict = check(read(self._folder, fleet.database))
        verdict.violations.extend(fleet.faults)
        verdict.figures["dispatchers frozen"] = self._frozen
        verdict.figures["services started again"] = fleet.restarts
        verdict.figures["… after giving up under fire"] = fleet.under_fire
        return Outcome(self._kills, stormy, verdict)

    def _prepare(self) -> None:
        """Waits for the service's schema, and puts our own tables and triggers beside it."""
        fleet = self._fleet
        made = "SELECT count(*) FROM sqlite_master WHERE name = 'background_service_jobs'"
        if not self._wait(lambda: fleet.database.exists() and bool(fleet.query(made)), START_S):
            raise RuntimeError(f"the service did not come up: see {self._folder / 'output.log'}")
        with closing(sqlite3.connect(fleet.database, timeout=10)) as connection:
            connection.executescript(AUDIT)

    # ── the weather ──────────────────────────────────────────────────────────────────────────────
    def _rage(self, began: float) -> None:
        plan, pause = self._plan, Event()
        kinds, weights = list(plan.weights), list(plan.weights.values())
        while True:
            done, seconds = sum(self._kills.values()), time.monotonic() - began
            if (done >= plan.kills and seconds >= plan.seconds_least) or seconds >= plan.seconds_limit:
                return
            pause.wait(min(self._rng.expovariate(1 / plan.mean_gap_s), 2.0))
            self._fleet.mend()
            if self._frozen < min(plan.freezes, plan.freezes * (done + 1) // plan.kills):
                self._freeze()
            kind = self._rng.choices(kinds, weights)[0]
            # Mostly a service at work, sometimes one that is still coming up.
            if self._rng.random() < 0.85:
                if not self._at_work(kind):
                    self._fleet.fault("stalled", f"no handler started or ended for {STALL_S:.0f} s")
                    return
                # Not at the sign itself, which always comes at the same point of a job.
                pause.wait(self._rng.uniform(0, JITTER_S))
            self._strike(kind)
            if (done + 1) % 100 == 0:
                self._say(f"{done + 1} kills")

    def _strike(self, kind: str) -> None:
        victims = self._victims(kind)
        begin = time.time_ns()
        hit = processes.send(victims, signal.SIGKILL, self._folder)
        if not hit:
            return
        # All of them: some were dead before their turn, by the death of those above them.
        self._log.write("kill", kind=kind, pids=victims, begin=begin, end=time.time_ns())
        self._kills[kind] += 1
        self._fleet.blows += kind in ("isolate", "dispatcher")
        if not processes.gone(victims, within_s=5.0):
            self._fleet.fault("orphan", f"some of {victims} outlived kill -9")

    def _victims(self, kind: str) -> list[int]:
        fleet = self._fleet
        match kind:
            case "isolate":
                isolates = fleet.isolates(experienced=True) or fleet.isolates()
                return [self._rng.choice(isolates)] if isolates else []
            case "dispatcher":
                return fleet.dispatchers()
            case "group":
                # The supervisor first, or it would start another dispatcher.
                supervisor = [fleet.service.pid] if fleet.service else []
                return [*supervisor, *fleet.dispatchers(), *fleet.isolates()]
            case "producer":
                name, producer = self._rng.choice(list(fleet.producers.items()))
                self._catch_in_the_act(name)
                return [producer.pid]
            case _:
                return [fleet.embedded.pid] if fleet.embedded else []

    def _catch_in_the_act(self, name: str) -> None:
        """Waits, not for long, until a producer has said that it tries and has not said how it went."""
        log = self._fleet.log_of_producer(name)
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            with log.open("rb") as file:
                file.seek(max(log.stat().st_size - 4096, 0))
                if file.read().rpartition(b'\n{"what": ')[2].startswith(b'"try"'):
                    return

    def _freeze(self) -> None:
        """Stops a dispatcher, not its isolates, until the other one has taken its jobs and run them."""
        if not (self._at_work("dispatcher") and self._at_work("embedded")):
            return
        fleet = self._fleet
        self._frozen += 1
        begin = time.time_ns()
        stopped = processes.send(fleet.dispatchers(), signal.SIGSTOP, self._folder)
        while not fleet.write_lock_is_free():
            # Stopped inside a transaction: it would hold up everyone, and nobody could take its jobs.
            processes.send(stopped, signal.SIGCONT, self._folder)
            stopped = processes.send(fleet.dispatchers(), signal.SIGSTOP, self._folder)
        Event().wait((self._plan.lease_s or LEASE_S) + RECLAIM_S)
        processes.send(stopped, signal.SIGCONT, self._folder)
        self._log.write("freeze", kind="freeze", pids=stopped, begin=begin, end=time.time_ns())

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────
    def _at_work(self, kind: str) -> bool:
        """Waits until there is something to interrupt."""
        fleet = self._fleet
        match kind:
            case "dispatcher" | "group":
                return self._wait(self._isolate_tells(), STALL_S)
            case "isolate":
                return self._wait(lambda: bool(fleet.isolates(experienced=True)), STALL_S)
            case "embedded":
                return self._wait(
                    lambda: fleet.embedded is None or fleet.log_of_handler(fleet.embedded.pid).exists(),
                    STALL_S,
                )
            case _:
                return True

    def _isolate_tells(self) -> Callable[[], bool]:
        """Becomes true when an isolate of the present dispatcher logs something new."""
        known: dict[int, int] = {}

        def tells() -> bool:
            for pid in self._fleet.isolates(experienced=True):
                size = self._fleet.log_of_handler(pid).stat().st_size
                if size > known.setdefault(pid, size):
                    return True
            return False

        return tells

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        pause = Event()
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._fleet.mend()
            pause.wait(0.01)
        return True

    def _drain(self) -> None:
        """Until every job has ended, or nothing has happened for a while."""
        left, moved_at, pause = -1, time.monotonic(), Event()
        given_up_at = moved_at + self._plan.drain_most_s
        while moved_at + self._plan.drain_s > time.monotonic() < given_up_at:
            before, left = left, self._fleet.query(OPEN_JOBS)
            if left == 0:
                return
            if left != before:
                moved_at = time.monotonic()
            self._fleet.mend()
            pause.wait(0.05)
