"""Drives a storm: a service, producers and a second dispatcher, and ``kill -9`` among them at random."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

from tests.storm import processes
from tests.storm.checker import Verdict, Violation, check
from tests.storm.history import AUDIT, read
from tests.storm.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "storm.db"
START_S = 30.0
STALL_S = 20.0
LEASE_S, RECLAIM_S = 35.0, 3.0
"""A dispatcher that gives no sign for so long loses its jobs; the others look every second."""
JITTER_S = 0.1
FAULTS_MOST = 10
START_FAILED, KILLED_STARTS = 3, 3
"""A service whose processes were killed this often while they started may end with this exit code."""
STOP_S = 35.0
"""What the service promises: nothing of it is left this long after SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What kind of storm."""

    kills: int
    seed: int
    seconds_least: float = 0.0
    """Goes on killing for this long, also after the last of ``kills``."""
    seconds_limit: float = 900.0
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
        self._output = (self._folder / "output.log").open("ab")
        self._environment = {
            **os.environ,
            "STORM_FOLDER": str(self._folder),
            "PYTHONPATH": f"{ROOT}:{ROOT}/src",
        }
        if plan.plant:
            self._environment["STORM_PLANT"] = plan.plant
        if plan.lease_s:
            self._environment["STORM_LEASE_S"] = str(plan.lease_s)
        self._service: subprocess.Popen[bytes] | None = None
        self._embedded: subprocess.Popen[bytes] | None = None
        self._producers: dict[str, subprocess.Popen[bytes]] = {}
        self._unfinished: list[str] = []
        self._names = 0
        self._kills: Counter[str] = Counter()
        self._restarts = 0
        self._blows = 0
        self._under_fire = 0
        self._frozen = 0
        self._faults: list[Violation] = []

    def run(self) -> Outcome:
        """The storm, the drain, the stop, and the verdict on all of it."""
        try:
            self._start_service()
            self._prepare()
            self._start_embedded()
            for _ in range(self._plan.producers):
                self._start_producer()
            began = time.monotonic()
            self._rage(began)
            stormy = time.monotonic() - began
            self._stop_producers()
            self._drain()
            self._stop_service()
        finally:
            self._end_everything()
        verdict = check(read(self._folder, self._folder / DATABASE))
        verdict.violations.extend(self._faults)
        verdict.figures["dispatchers frozen"] = self._frozen
        verdict.figures["services started again"] = self._restarts
        verdict.figures["… after giving up under fire"] = self._under_fire
        return Outcome(self._kills, stormy, verdict)

    # ── the weather ──────────────────────────────────────────────────────────────────────────────
    def _rage(self, began: float) -> None:
        kinds, weights = list(self._plan.weights), list(self._plan.weights.values())
        pause = Event()
        while True:
            done, seconds = sum(self._kills.values()), time.monotonic() - began
            enough = done >= self._plan.kills and seconds >= self._plan.seconds_least
            if enough or seconds >= self._plan.seconds_limit:
                return
            pause.wait(min(self._rng.expovariate(1 / self._plan.mean_gap_s), 2.0))
            self._mend()
            if self._frozen < min(self._plan.freezes, self._plan.freezes * (done + 1) // self._plan.kills):
                self._freeze()
            kind = self._rng.choices(kinds, weights)[0]
            # Mostly a service at work, sometimes one that is still coming up.
            if self._rng.random() < 0.85:
                if not self._at_work(kind):
                    self._fault("stalled", f"no handler started or ended for {STALL_S:.0f} s")
                    return
                # Not at the sign itself, which always comes at the same point of a job.
                pause.wait(self._rng.uniform(0, JITTER_S))
            self._strike(kind)
            if (done + 1) % 100 == 0:
                self._say(f"{done + 1} kills")

    def _freeze(self) -> None:
        """Stops a dispatcher, not its isolates, until the other one has taken its jobs and run them."""
        if not (self._at_work("dispatcher") and self._at_work("embedded")):
            return
        self._frozen += 1
        begin = time.time_ns()
        stopped = processes.send(self._dispatchers(), signal.SIGSTOP, self._folder)
        Event().wait((self._plan.lease_s or LEASE_S) + RECLAIM_S)
        processes.send(stopped, signal.SIGCONT, self._folder)
        self._log.write("freeze", kind="freeze", pids=stopped, begin=begin, end=time.time_ns())

    def _at_work(self, kind: str) -> bool:
        """Waits until there is something to interrupt."""
        match kind:
            case "dispatcher" | "group":
                return self._wait(self._isolate_tells(), STALL_S)
            case "isolate":
                return self._wait(lambda: bool(self._isolates(experienced=True)), STALL_S)
            case "embedded":
                log = self._folder / f"handler-{self._embedded.pid if self._embedded else 0}.log"
                return self._wait(log.exists, STALL_S)
            case _:
                return True

    def _strike(self, kind: str) -> None:
        match kind:
            case "isolate":
                victims = self._isolates(experienced=True) or self._isolates()
                victims = [self._rng.choice(victims)] if victims else []
            case "dispatcher":
                victims = self._dispatchers()
            case "group":
                # The supervisor first, or it would start another dispatcher.
                service = self._service.pid if self._service else 0
                victims = [service, *self._dispatchers(), *self._isolates()]
            case "producer":
                name, producer = self._rng.choice(list(self._producers.items()))
                self._catch_in_the_act(name)
                victims = [producer.pid]
            case _:
                victims = [self._embedded.pid] if self._embedded else []
        begin = time.time_ns()
        hit = processes.send(victims, signal.SIGKILL, self._folder)
        if not hit:
            return
        self._log.write("kill", kind=kind, pids=hit, begin=begin, end=time.time_ns())
        self._kills[kind] += 1
        if kind in ("isolate", "dispatcher"):
            self._blows += 1
        if not processes.gone(hit, within_s=5.0):
            self._fault("orphan", f"some of {hit} outlived kill -9")

    def _catch_in_the_act(self, name: str) -> None:
        """Waits, not for long, until a producer has said that it tries and has not said how it went."""
        log = self._log_of(name)
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            with log.open("rb") as file:
                file.seek(max(log.stat().st_size - 4096, 0))
                if file.read().rpartition(b'\n{"what": ')[2].startswith(b'"try"'):
                    return

    def _mend(self) -> None:
        """Starts again whatever a kill ended and nobody else restarts."""
        if self._service is not None and self._service.poll() is not None:
            if self._service.returncode == START_FAILED and self._blows >= KILLED_STARTS:
                # It is right to give up when whatever it starts dies before it is ready; here we know why.
                self._under_fire += 1
            elif self._service.returncode != -signal.SIGKILL:
                self._gave_up("the service", self._service.returncode)
            self._start_service()
        for name, producer in list(self._producers.items()):
            if producer.poll() is not None:
                del self._producers[name]
                _close(producer.stdin)
                if producer.returncode != -signal.SIGKILL:
                    self._gave_up(f"producer {name}", producer.returncode)
                self._start_producer(after=name)
        if self._embedded is not None and self._embedded.poll() is not None:
            if self._embedded.returncode != -signal.SIGKILL:
                self._gave_up("the embedded dispatcher", self._embedded.returncode)
            _close(self._embedded.stdin)
            self._start_embedded()

    def _gave_up(self, who: str, code: int) -> None:
        self._fault("gave up", f"{who} ended by itself with exit code {code}")
        if len(self._faults) > FAULTS_MOST:
            raise RuntimeError(f"nothing stays up: see {self._folder / 'output.log'}")

    # ── the ship ─────────────────────────────────────────────────────────────────────────────────
    def _spawn(self, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=self._environment,
            stdin=stdin,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def _start_service(self) -> None:
        self._restarts += self._service is not None
        self._blows = 0
        self._service = self._spawn("windlass.cli", "run", "tests.storm.app:app")

    def _prepare(self) -> None:
        """Waits for the service's schema, and puts our own tables and triggers beside it."""
        path = self._folder / DATABASE
        if not self._wait(lambda: path.exists() and _has_jobs_table(path), START_S):
            raise RuntimeError(f"the service did not come up: see {self._folder / 'output.log'}")
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            connection.executescript(AUDIT)

    def _start_embedded(self) -> None:
        if self._plan.embedded:
            self._embedded = self._spawn("tests.storm.embedded", stdin=subprocess.PIPE)

    def _start_producer(self, *, after: str | None = None) -> None:
        self._names += 1
        name = f"p{self._names}"
        command = ["tests.storm.producer", name, "--seed", str(self._rng.getrandbits(32))]
        if after is not None:
            self._unfinished.append(after)
        # A producer killed while it finished for another leaves both to the next one.
        finishing = [log for old in self._unfinished for log in ("--after", str(self._log_of(old)))]
        self._unfinished = [] if after is None else self._unfinished[-3:]
        self._producers[name] = self._spawn(*command, *finishing, stdin=subprocess.PIPE)

    def _log_of(self, name: str) -> Path:
        path = self._folder / f"producer-{name}.log"
        path.touch()
        return path

    def _dispatchers(self) -> list[int]:
        return processes.children(self._service.pid) if self._service else []

    def _isolates(self, *, experienced: bool = False) -> list[int]:
        """``experienced``: that have run a job already."""
        born = [pid for dispatcher in self._dispatchers() for pid in processes.children(dispatcher)]
        return [pid for pid in born if not experienced or (self._folder / f"handler-{pid}.log").exists()]

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────
    def _stop_producers(self) -> None:
        self._mend()
        stopping, self._producers = self._producers, {}
        for producer in stopping.values():
            _close(producer.stdin)
        for name, producer in stopping.items():
            if producer.wait(30) == -signal.SIGKILL:
                self._unfinished.append(name)
            elif producer.returncode != 0:
                self._gave_up(f"producer {name}", producer.returncode)
        last = self._spawn(
            "tests.storm.producer", "last", "--only-finish",
            *(word for name in self._unfinished for word in ("--after", str(self._log_of(name)))),
        )  # fmt: skip
        last.wait(60)

    def _drain(self) -> None:
        """Until every job has ended, or nothing has happened for a while."""
        left, moved_at = -1, time.monotonic()
        given_up_at = moved_at + self._plan.drain_most_s
        pause = Event()
        while moved_at + self._plan.drain_s > time.monotonic() < given_up_at:
            before, left = left, self._left()
            if left == 0:
                return
            if left != before:
                moved_at = time.monotonic()
            self._mend()
            pause.wait(0.05)

    def _left(self) -> int:
        with closing(sqlite3.connect(self._folder / DATABASE, timeout=10)) as reader:
            sql = "SELECT count(*) FROM background_service_jobs WHERE status IN ('PENDING', 'RUNNING')"
            return reader.execute(sql).fetchone()[0]

    def _stop_service(self) -> None:
        if self._embedded is not None:
            _close(self._embedded.stdin)
            if self._embedded.wait(STOP_S) != 0:
                self._gave_up("the embedded dispatcher", self._embedded.returncode)
        assert self._service is not None
        processes.send([self._service.pid], signal.SIGTERM, self._folder)
        try:
            if self._service.wait(STOP_S) != 0:
                self._gave_up("the service", self._service.returncode)
        except subprocess.TimeoutExpired:
            self._fault("did not stop", f"the service was there {STOP_S:.0f} s after SIGTERM")
        orphans = processes.belonging_to(self._folder)
        if orphans:
            self._fault("orphan", f"processes {orphans} outlived their service")

    def _end_everything(self) -> None:
        processes.send(processes.belonging_to(self._folder), signal.SIGKILL, self._folder)
        for process in (self._service, self._embedded, *self._producers.values()):
            if process is not None:
                process.wait(10)
                _close(process.stdin)
        self._output.close()
        self._log.close()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────
    def _isolate_tells(self) -> Callable[[], bool]:
        """Becomes true when an isolate of the present dispatcher logs something new."""
        known: dict[int, int] = {}

        def tells() -> bool:
            for pid in self._isolates(experienced=True):
                size = (self._folder / f"handler-{pid}.log").stat().st_size
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
            self._mend()
            pause.wait(0.01)
        return True

    def _fault(self, kind: str, text: str) -> None:
        self._say(f"{kind}: {text}")
        self._faults.append(Violation(kind, text))


def _has_jobs_table(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=10)) as reader:
        sql = "SELECT 1 FROM sqlite_master WHERE name = 'background_service_jobs'"
        return reader.execute(sql).fetchone() is not None


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()
