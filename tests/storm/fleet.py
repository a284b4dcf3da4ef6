"""The processes of a storm: a service, a program with a dispatcher of its own, producers."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from tests.storm import processes
from tests.storm.bases import SqliteBase
from tests.storm.checker import Violation

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "storm.db"
STOP_S = 35.0
"""What the service promises: nothing of it is left this long after SIGTERM."""
START_FAILED, KILLED_STARTS = 3, 3
"""A service whose processes were killed this often while they started may end with this exit code."""
FINISH_S = 180.0
"""A producer that finishes what others left open takes as long as the machine lets it."""
FAULTS_MOST = 10

Child = subprocess.Popen[bytes]


class Fleet:
    """Starts the processes, mends what a kill ended, and stops them all."""

    def __init__(
        self, folder: Path, rng: random.Random, say: Callable[[str], None], extra: dict[str, str]
    ) -> None:
        self.folder = folder
        self.database = folder / DATABASE
        self.base = SqliteBase(self.database)
        self.faults: list[Violation] = []
        self.restarts = 0
        self.under_fire = 0
        self.blows = 0
        """Kills of isolates and dispatchers since the service was started."""
        self.service: Child | None = None
        self.embedded: Child | None = None
        self.producers: dict[str, Child] = {}
        self._rng = rng
        self._say = say
        self._unfinished: list[str] = []
        self._names = 0
        self._output = (folder / "output.log").open("ab")
        path = f"{ROOT}:{ROOT}/src"
        known = {"STORM_FOLDER": str(folder), processes.DRIVER: processes.driver(), "PYTHONPATH": path}
        self._environment = {**os.environ, **known, **extra}

    # ── starting ─────────────────────────────────────────────────────────────────────────────────
    def start_service(self) -> None:
        self.restarts += self.service is not None
        self.blows = 0
        self.service = self._spawn("windlass.cli", "run", "tests.storm.app:app")

    def start_embedded(self) -> None:
        self.embedded = self._spawn("tests.storm.embedded", stdin=subprocess.PIPE)

    def start_producer(self, *, after: str | None = None) -> None:
        """``after`` was killed: the new one finishes what it left open."""
        self._names += 1
        name = f"p{self._names}"
        if after is not None:
            self._unfinished.append(after)
        finishing = self._logs_of(self._unfinished)
        # It may be killed while it finishes for others: the next one gets them, too.
        self._unfinished = [] if after is None else self._unfinished[-3:]
        seed = str(self._rng.getrandbits(32))
        command = ("tests.storm.producer", name, "--seed", seed, *finishing)
        self.producers[name] = self._spawn(*command, stdin=subprocess.PIPE)

    def mend(self) -> None:
        """Starts again whatever a kill ended and nobody else restarts."""
        if self.service is not None and self.service.poll() is not None:
            if self.service.returncode == START_FAILED and self.blows >= KILLED_STARTS:
                # It is right to give up when whatever it starts dies before it is ready; here we know why.
                self.under_fire += 1
            else:
                self._was_killed("the service", self.service)
            self.start_service()
        if self.embedded is not None and self.embedded.poll() is not None:
            self._was_killed("the embedded dispatcher", self.embedded)
            self.start_embedded()
        for name, producer in list(self.producers.items()):
            if producer.poll() is not None:
                del self.producers[name]
                self._was_killed(f"producer {name}", producer)
                self.start_producer(after=name)

    # ── looking ──────────────────────────────────────────────────────────────────────────────────
    def dispatchers(self) -> list[int]:
        return processes.children(self.service.pid) if self.service else []

    def isolates(self, *, experienced: bool = False) -> list[int]:
        """``experienced``: that have run a job already."""
        born = [pid for dispatcher in self.dispatchers() for pid in processes.children(dispatcher)]
        return [pid for pid in born if not experienced or self.log_of_handler(pid).exists()]

    def log_of_handler(self, pid: int) -> Path:
        return self.folder / f"handler-{pid}.log"

    def log_of_producer(self, name: str) -> Path:
        path = self.folder / f"producer-{name}.log"
        path.touch()
        return path

    def query(self, sql: str) -> Any:
        """The first value of the first row, read as any program would; None where there is no row."""
        return self.base.query(sql)

    def write_lock_is_free(self) -> bool:
        with closing(sqlite3.connect(self.database, timeout=0.2, isolation_level=None)) as taker:
            try:
                taker.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            taker.execute("ROLLBACK")
            return True

    # ── stopping ─────────────────────────────────────────────────────────────────────────────────
    def stop_producers(self) -> None:
        """Gracefully; then one more finishes what killed ones left open."""
        self.mend()
        stopping, self.producers = self.producers, {}
        for producer in stopping.values():
            _close(producer.stdin)
        for name, producer in stopping.items():
            if producer.wait(FINISH_S) == -signal.SIGKILL:
                self._unfinished.append(name)
            elif producer.returncode != 0:
                self._was_killed(f"producer {name}", producer)
        finishing = self._logs_of(self._unfinished)
        last = self._spawn("tests.storm.producer", "last", "--only-finish", *finishing)
        self._ended("the last producer", last, within_s=FINISH_S)

    def stop_service(self) -> None:
        """By SIGTERM, within what is promised, and with nothing left behind."""
        if self.embedded is not None:
            _close(self.embedded.stdin)
            self._ended("the embedded dispatcher", self.embedded)
        assert self.service is not None
        processes.send([self.service.pid], signal.SIGTERM, self.folder)
        self._ended("the service", self.service)
        orphans = processes.belonging_to(self.folder)
        if orphans:
            self.fault("orphan", f"processes {orphans} outlived their service")

    def end_everything(self) -> None:
        processes.send(processes.belonging_to(self.folder), signal.SIGKILL, self.folder)
        for process in (self.service, self.embedded, *self.producers.values()):
            if process is not None:
                process.wait(10)
                _close(process.stdin)
        self._output.close()

    def fault(self, kind: str, text: str) -> None:
        """Something that no log of the history would tell."""
        self._say(f"{kind}: {text}")
        self.faults.append(Violation(kind, text))
        if len(self.faults) > FAULTS_MOST:
            raise RuntimeError(f"nothing stays up: see {self.folder / 'output.log'}")

    def _spawn(self, *command: str, stdin: int = subprocess.DEVNULL) -> Child:
        """It ends with the thread that starts it; what it starts is for ``processes.sweep``, if need be."""
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self._before(), sys.executable, "-m", *command],
            cwd=ROOT,
            env=self._environment,
            stdin=stdin,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    def _before(self) -> list[str]:
        """What every command begins with."""
        return []

    def _logs_of(self, names: list[str]) -> list[str]:
        return [word for name in names for word in ("--after", str(self.log_of_producer(name)))]

    def _was_killed(self, who: str, process: Child) -> None:
        _close(process.stdin)
        if process.returncode != -signal.SIGKILL:
            self.fault("gave up", f"{who} ended by itself with exit code {process.returncode}")

    def _ended(self, who: str, process: Child, *, within_s: float = STOP_S) -> None:
        try:
            if process.wait(within_s) != 0:
                self.fault("gave up", f"{who} ended with exit code {process.returncode}")
        except subprocess.TimeoutExpired:
            self.fault("did not stop", f"{who} was there {within_s:.0f} s after it was told to stop")


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()
