"""One simulation: a world, its script, and what the judge says."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import NamedTuple

from tests.simulate.judge import Judge, Verdict
from tests.simulate.script import Script, Weather
from tests.simulate.world import DAY, HOUR, World, time_of
from windlass import Windlass


class Outcome(NamedTuple):
    """What came of it."""

    verdict: Verdict
    digest: str
    """The same for the same history."""
    days: float
    events: int
    cpu_s: float
    judging_s: float
    problems: list[str]
    """What the library logged as wrong."""


class _Problems(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def simulate(seed: int, weather: Weather, folder: Path) -> Outcome:
    """Lets a world pass, and judges it."""
    begun = time.process_time()
    folder.mkdir(exist_ok=True)
    world = World(seed, weather.begin)
    app = Windlass(folder / "simulated.db", clock=world)
    problems = _Problems()
    logging.getLogger("windlass").addHandler(problems)
    try:
        with time_of(world):
            script = Script(world, app, weather)
            script.begin()
            events = world.run(int(weather.days * DAY * 0.93))
            while world.true_us < weather.days * DAY:
                events += world.run(world.awake_us + DAY)
            script.end()
            events += world.run(world.awake_us + 100 * HOUR)
    finally:
        logging.getLogger("windlass").removeHandler(problems)
        app.close()
    lived = time.process_time()
    verdict = Judge().hear(world.log)
    judged = time.process_time()
    return Outcome(
        verdict, world.digest(), world.true_us / DAY, events, lived - begun, judged - lived, problems.texts
    )
