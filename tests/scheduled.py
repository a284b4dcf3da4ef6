"""An app with one schedule, its manual clock, and what came of them as a zone's clocks show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from windlass import Windlass
from windlass.job import Job
from windlass.testing import ManualClock, drain
from windlass.worker.periodic import Periodic

ZURICH = ZoneInfo("Europe/Zurich")


class Program:
    """An app, its manual clock, and the source that a dispatcher would ask."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.url = url
        self.app = self.start()
        self.source = Periodic(self.app.store)

    def start(self) -> Windlass:
        """The program once more, as after a restart of it."""
        app = Windlass(self.url, clock=self.clock)
        app.job("tick")(lambda: None)
        return app

    def add(self, **options: Any) -> None:
        self.app.schedules.add("it", job="tick", **options)

    def at(self, text: str, zone: ZoneInfo = ZURICH) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=zone)

    def set_clock(self, text: str) -> None:
        self.clock.jump(self.at(text))

    def go_on(self, span: timedelta, *, step: timedelta = timedelta(minutes=10)) -> None:
        """Lets time pass while somebody runs jobs."""
        drain(self.app)
        for _ in range(span // step):
            self.clock.advance(step)
            drain(self.app)

    def jobs(self) -> list[Job]:
        return self.app.jobs.list(key="tick", order="id", limit=10_000)

    def due(self, zone: ZoneInfo = ZURICH) -> list[str]:
        """When each job was due, as the clocks of the zone show it."""
        times = [datetime.fromisoformat(job.meta["due"]) for job in self.jobs()]
        return [time.astimezone(zone).strftime("%d. %H:%M %Z") for time in times]


@contextmanager
def running_program(url: str) -> Iterator[Program]:
    made = Program(url)
    yield made
    made.app.close()


def shown(program: Program) -> Any:
    schedule = program.app.schedules.get("it")
    assert schedule is not None
    return schedule
