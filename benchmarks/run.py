"""Runs one benchmark: a process for each subject, the floor handed round, samples collected."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.model import Benchmark, Sample, Unavailable, together

ROOT = Path(__file__).parent.parent
SETUP_S = 420.0
SAMPLE_S = 180.0
FAREWELL_S = 45.0


class Lost(Exception):
    """A subject that cannot be measured, or can no longer; says why."""


class Child:
    """A subject's process as the runner sees it."""

    def __init__(
        self,
        module: str,
        benchmark: Benchmark,
        subject: str,
        folder: Path,
        variables: Mapping[str, str],
        *,
        quick: bool,
    ) -> None:
        self.subject = subject
        self.samples: list[Sample] = []
        self._turns: list[Sample] = []
        interpreter = _newer_python() if subject in benchmark.newer else sys.executable
        folder.mkdir()
        self._log = (folder / "log.txt").open("wb")
        command = [interpreter, "-m", "benchmarks.child", module, benchmark.name, subject, str(folder)]
        command.append("quick" if quick else "full")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | benchmark.environment(folder) | dict(variables),
            cwd=ROOT,
        )

    def wait_ready(self) -> None:
        self._hear("ready", SETUP_S)

    def give_floor(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Lost("its process ended") from error

    def collect(self) -> None:
        self._turns.append(self._hear("sample", SAMPLE_S))

    def close_round(self) -> None:
        self.samples.append(together(self._turns))
        self._turns = []

    def end(self) -> None:
        """Closes its ear, which ends its loop; asks and then kills it where that is not enough."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it is gone, and what was buffered for it with it
            self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill, None):
            try:
                self._process.wait(FAREWELL_S)
                break
            except subprocess.TimeoutExpired:
                if insist is not None:
                    insist()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def _hear(self, wanted: str, patience_s: float) -> Sample:
        # One line is one write below the pipe's atomic size or is followed by its rest at once.
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], patience_s)
        if not readable:
            raise Lost(f"gave no answer for {patience_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Lost(f"its process ended with exit code {self._process.wait()}")
        word, value = json.loads(line)
        if word != wanted:
            raise Lost(value if word == "unavailable" else f"failed: {value}")
        return value


class Cast:
    """The subjects that still take part, and why the others do not."""

    def __init__(self) -> None:
        self.present: list[Child] = []
        self.lost: dict[str, str] = {}

    def each(self, act: Callable[[Child], None], among: Iterable[Child]) -> None:
        """Has each of them act; one that cannot leaves, with its reason."""
        for child in list(among):
            try:
                act(child)
            except Lost as reason:
                self.lost[child.subject] = str(reason)
                self.present.remove(child)
                child.end()

    def all_at_once(self) -> None:
        """Gives everyone the floor for the same while."""
        self.each(Child.give_floor, self.present)
        self.each(Child.collect, self.present)

    def one_by_one(self, *, backwards: bool) -> None:
        """Gives everyone the floor once, in turn."""
        for child in self.present[::-1] if backwards else self.present[:]:
            self.each(Child.give_floor, [child])
            if child in self.present:
                self.each(Child.collect, [child])

    def disband(self) -> None:
        for child in self.present:
            child.end()


def measure(
    module: str, benchmark: Benchmark, folder: Path, *, quick: bool
) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """The samples of every subject that could be measured, and for the others the reason."""
    try:
        with benchmark.around() as variables:
            return _measure(module, benchmark, folder, variables, quick=quick)
    except Unavailable as reason:
        return {}, dict.fromkeys(benchmark.subjects, str(reason))


def _measure(
    module: str, benchmark: Benchmark, folder: Path, variables: Mapping[str, str], *, quick: bool
) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    samples: dict[str, list[Sample]] = {}
    lost: dict[str, str] = {}
    names = list(benchmark.subjects)
    for group in [[name] for name in names] if benchmark.one_at_a_time else [names]:
        cast = Cast()
        try:
            for name in group:
                place = folder / str(names.index(name))
                try:
                    cast.present.append(Child(module, benchmark, name, place, variables, quick=quick))
                except Lost as reason:
                    cast.lost[name] = str(reason)
            cast.each(Child.wait_ready, cast.present)
            for number in range(benchmark.quick_rounds if quick else benchmark.rounds):
                for turn in range(benchmark.turns):
                    if benchmark.together:
                        cast.all_at_once()
                    else:
                        # Forth and back: a machine that grows slower while a round lasts favours no one.
                        cast.one_by_one(backwards=bool((number + turn) % 2))
                cast.each(Child.close_round, cast.present)
            samples |= {child.subject: child.samples for child in cast.present}
        finally:
            cast.disband()
        lost |= cast.lost
    return samples, lost


def _newer_python() -> str:
    """One that has the contenders for whom ours may be too old."""
    found = os.environ.get("BENCH_NEWER_PYTHON")
    if found is None:
        raise Lost("needs Python 3.12 or newer, and there is none here")
    return found
