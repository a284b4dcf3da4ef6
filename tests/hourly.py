"""An hourly schedule, a manual clock, and what a dispatcher's source makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from windlass import Windlass
from windlass.job import Job
from windlass.testing import ManualClock, drain


class Program:
    """An app with a manual clock, and what a dispatcher's source of it makes."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.url = url
        self.app = self.start()
        self.begun = self.clock.boot_us()

    def start(self) -> Windlass:
        """The program once more, as after a restart of it."""
        app = Windlass(self.url, clock=self.clock)
        app.job("tick")(tick)
        return app

    def look(self, app: Windlass | None = None) -> float | None:
        (source,) = (app or self.app).make_sources()
        return source.look()

    def made(self) -> list[Job]:
        return self.app.jobs.list(key="tick", order="id", limit=10_000)

    def elapsed(self) -> list[float]:
        """When each run came, in hours since the beginning."""
        return [job.result / 3_600_000_000 for job in self.made() if job.result is not None]


def tick(start: int = 0) -> int:
    return program_now() - start


def program_now() -> int:
    return CLOCKS[-1].boot_us()


CLOCKS: list[ManualClock] = []


@contextmanager
def running_program(url: str) -> Iterator[Program]:
    made = Program(url)
    CLOCKS.append(made.clock)
    yield made
    made.app.close()
    CLOCKS.clear()


def hourly(program: Program, app: Windlass | None = None, **changes: Any) -> None:
    options = {"job": "tick", "payload": {"start": program.begun}, "every": "1h", **changes}
    (app or program.app).schedules.add("hourly", **options)


def pass_hours(program: Program, hours: float, step_h: float = 0.25) -> None:
    for _ in range(round(hours / step_h)):
        program.clock.advance(timedelta(hours=step_h))
        drain(program.app)
