"""Where the show is seen: the protocol, and the plain stage for pipes, logs and ``--json``."""

from __future__ import annotations

import sys
from typing import Literal, Protocol, TextIO

import msgspec

from windlass.clock import monotonic
from windlass.job import JobStatus

Mood = Literal["plain", "good", "bad", "retry", "strike", "aside"]
"""How a line is meant: shown as a mark in front of it, and as a colour where there are any."""

MARKS: dict[Mood, str] = {"plain": "·", "good": "✔", "bad": "✘", "retry": "↻", "strike": "↯", "aside": " "}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the work."""

    total: int
    counts: dict[JobStatus, int]
    to_retry: int
    running: tuple[str, ...]
    supervisor: int
    dispatcher: int
    isolates: tuple[int, ...]
    rate: float

    @property
    def done(self) -> int:
        """Jobs that ended, well or not."""
        return sum(count for status, count in self.counts.items() if status.is_final)


class Teller(Protocol):
    """What any show needs to be told."""

    def chapter(self, title: str, meaning: str) -> None:
        """A new part begins, and what the onlooker should know of it."""
        ...

    def tell(self, text: str, mood: Mood = "plain") -> None:
        """Something happened."""
        ...

    def close(self) -> None:
        """The work is over; what was told stays readable."""
        ...


class Stage(Teller, Protocol):
    """What the show of the jobs needs to be seen."""

    def draw(self, snapshot: Snapshot) -> None:
        """The present state of the work."""
        ...


class PlainTeller:
    """Lines of text, with the seconds since the beginning."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._begun = monotonic()
        self._chapters = 0

    def chapter(self, title: str, meaning: str) -> None:
        self._chapters += 1
        self._write(f"── {self._chapters}. {title}: {meaning}")

    def tell(self, text: str, mood: Mood = "plain") -> None:
        self._write(f"{MARKS[mood]} {text}")

    def close(self) -> None:
        self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"{monotonic() - self._begun:7.2f}s  {line}\n")
        self._stream.flush()


class PlainStage(PlainTeller):
    """The show of the jobs as lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._tenth = 0

    def draw(self, snapshot: Snapshot) -> None:
        """A line for each further tenth of the work."""
        tenth = 10 * snapshot.done // max(snapshot.total, 1)
        if tenth > self._tenth:
            self._tenth = tenth
            pace = f"{snapshot.rate:,.0f} jobs a second"
            self._write(f"  {snapshot.done:,} of {snapshot.total:,} have ended, {pace}")
