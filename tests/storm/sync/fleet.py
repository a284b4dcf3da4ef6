"""The processes of a storm of sync: for each replica a program, a network of its own, and an editor."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

from tests.storm import processes
from tests.storm.checker import Violation
from tests.storm.fleet import KILLED_STARTS, ROOT, START_FAILED, STOP_S
from tests.storm.sync.shape import SCHEMA, Traits, connected, database
from tests.sync.servers.proxy import FAULTS, Fault, Proxy

WEATHER: dict[Fault, float] = {
    "drop": 0.04,
    "cut": 0.08,
    "truncate": 0.03,
    "delay": 0.05,
    "slow": 0.02,
    "twice": 0.03,
}
EDITOR_S = 60.0
FAULTS_MOST = 10
Child = subprocess.Popen[bytes]


class Replica:
    """One database with its program, its editor and its way to the server."""

    def __init__(self, traits: Traits, folder: Path, proxy: Proxy) -> None:
        self.traits = traits
        self.proxy = proxy
        self.is_cut = False
        self.program: Child | None = None
        self.editor: Child | None = None
        self.stays_off = 0
        """Rounds until a program that was killed is started again."""
        self.blows = 0
        """Kills since it was started."""
        self.path = database(folder, traits.number)
        with closing(connected(self.path)) as made:
            made.executescript(SCHEMA)

    def dispatchers(self) -> list[int]:
        """Of a service; where jobs run in threads there is only the program."""
        return [] if self.traits.threads or self.program is None else processes.children(self.program.pid)

    def isolates(self) -> list[int]:
        return [pid for dispatcher in self.dispatchers() for pid in processes.children(dispatcher)]

    def everything(self) -> list[int]:
        # The supervisor first, or it would start another dispatcher.
        return [*([self.program.pid] if self.program else []), *self.dispatchers(), *self.isolates()]


class Fleet:
    """Starts the processes, mends what a kill ended, and stops them all."""

    def __init__(
        self,
        folder: Path,
        rng: random.Random,
        say: Callable[[str], None],
        traits: list[Traits],
        server: str,
        weather: Mapping[Fault, float],
    ) -> None:
        self.folder = folder
        self.faults: list[Violation] = []
        self.restarts = 0
        self._rng = rng
        self._say = say
        self._serial = 0
        self._output = (folder / "output.log").open("ab")
        self._weather = dict(weather)
        self._proxies = [Proxy(server, seed=rng.getrandbits(32), rates=weather) for _ in traits]
        self.replicas = [
            Replica(one._replace(url=proxy.url), folder, proxy)
            for one, proxy in zip(traits, self._proxies, strict=True)
        ]

    # ── starting ─────────────────────────────────────────────────────────────────────────────────
    def mend(self, *, all_of_them: bool = False) -> None:
        """Starts whatever a kill ended and nobody else restarts."""
        for one in self.replicas:
            if one.program is not None and one.program.poll() is not None:
                self._was_killed(one, one.program)
                one.program = None
            if one.program is None:
                one.stays_off = 0 if all_of_them else one.stays_off - 1
                if one.stays_off <= 0:
                    one.program = self._start(one)
            if one.editor is not None and one.editor.poll() is not None:
                self._ended_editor(one.editor)
                one.editor = None
            if one.editor is None:
                self._serial += 1
                where = (str(self.folder), str(one.traits.number), str(self._serial))
                one.editor = self._spawn({}, "tests.storm.sync.editor", *where)

    def _start(self, one: Replica) -> Child:
        self.restarts += 1
        one.blows = 0
        extra = {"STORM_REPLICA": one.traits.text()}
        if one.traits.threads:
            return self._spawn(extra, "tests.storm.sync.app")
        return self._spawn(extra, "windlass.cli", "run", "tests.storm.sync.app:app")

    def _spawn(self, extra: dict[str, str], *command: str) -> Child:
        path = f"{ROOT}:{ROOT}/src"
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={
                **os.environ,
                "STORM_FOLDER": str(self.folder),
                "XDG_STATE_HOME": str(self.folder / "state"),
                "PYTHONPATH": path,
                **extra,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if "editor" in command[0] else self._output,
            stderr=self._output,
            start_new_session=True,
        )

    # ── editors ──────────────────────────────────────────────────────────────────────────────────
    def edit(self, one: Replica, transactions: int) -> None:
        """Without waiting for them."""
        self._order(one, f"edit {self._rng.getrandbits(32)} {transactions}")

    def all_edited(self) -> None:
        """Waits until every editor has done what it was asked."""
        for one in self.replicas:
            self._serial += 1
            word = f"done-{self._serial}"
            self._order(one, f"say {word}")
            editor = one.editor
            assert editor is not None
            assert editor.stdout is not None
            heard = b""
            while not heard.endswith(f"{word}\n".encode()):
                if not select.select([editor.stdout], [], [], EDITOR_S)[0]:
                    self.fault("editor stuck", f"replica {one.traits.number}: no edit in {EDITOR_S:.0f} s")
                    break
                piece = os.read(editor.stdout.fileno(), 4096)
                if not piece:
                    break
                heard += piece

    @staticmethod
    def _order(one: Replica, line: str) -> None:
        if one.editor is not None and one.editor.stdin is not None:
            with suppress(BrokenPipeError):  # it was killed: another is started
                one.editor.stdin.write(f"{line}\n".encode())
                one.editor.stdin.flush()

    # ── the network ──────────────────────────────────────────────────────────────────────────────
    def cut(self, one: Replica) -> None:
        if not one.is_cut:
            one.is_cut = True
            one.proxy.down()

    def heal(self, one: Replica) -> None:
        if one.is_cut:
            one.is_cut = False
            one.proxy.up()

    def weather(self, *, good: bool) -> None:
        for proxy in self._proxies:
            proxy.rates = {} if good else self._weather

    def counts_of_faults(self) -> dict[str, int]:
        return {fault: sum(proxy.count(fault) for proxy in self._proxies) for fault in FAULTS}

    # ── stopping ─────────────────────────────────────────────────────────────────────────────────
    def stop(self) -> None:
        """Everything gracefully, within what is promised, and with nothing left behind."""
        for one in self.replicas:
            for process in (one.editor, one.program if one.traits.threads else None):
                if process is not None:
                    _close(process.stdin)
            if one.program is not None and not one.traits.threads:
                processes.send([one.program.pid], signal.SIGTERM, self.folder)
        for one in self.replicas:
            self._ended("an editor", one.editor)
            self._ended(f"the program of replica {one.traits.number}", one.program)
        if orphans := processes.belonging_to(self.folder):
            self.fault("orphan", f"processes {orphans} outlived their programs")

    def end_everything(self) -> None:
        processes.send(processes.belonging_to(self.folder), signal.SIGKILL, self.folder)
        for one in self.replicas:
            for process in (one.program, one.editor):
                if process is not None:
                    process.wait(10)
                    _close(process.stdin)
                    _close(process.stdout)
            if not one.is_cut:
                one.proxy.down()
        self._output.close()

    def fault(self, kind: str, text: str) -> None:
        """Something that no log would tell."""
        self._say(f"{kind}: {text}")
        self.faults.append(Violation(kind, text))
        if len(self.faults) > FAULTS_MOST:
            raise RuntimeError(f"nothing stays up: see {self.folder / 'output.log'}")

    def _was_killed(self, one: Replica, process: Child) -> None:
        _close(process.stdin)
        # It is right to give up when whatever it starts dies before it is ready.
        under_fire = process.returncode == START_FAILED and one.blows >= KILLED_STARTS
        if process.returncode != -signal.SIGKILL and not under_fire:
            self.fault(
                "gave up", f"replica {one.traits.number} ended by itself with exit code {process.returncode}"
            )

    def _ended_editor(self, process: Child) -> None:
        _close(process.stdin)
        _close(process.stdout)
        if process.returncode != -signal.SIGKILL:
            self.fault("gave up", f"an editor ended by itself with exit code {process.returncode}")

    def _ended(self, who: str, process: Child | None) -> None:
        if process is None:
            return
        try:
            if process.wait(STOP_S) != 0:
                self.fault("gave up", f"{who} ended with exit code {process.returncode}")
        except subprocess.TimeoutExpired:
            self.fault("did not stop", f"{who} was there {STOP_S:.0f} s after it was told to stop")


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):  # what was not read yet is of no use any more
            stream.close()
