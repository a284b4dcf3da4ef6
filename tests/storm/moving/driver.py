"""One storm: a leg there and a leg back, each killed and gone on with until it is done."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.storm.moving.checker import Rows, faults, told
from tests.storm.moving.filling import fill
from windlass.errors import StoreUnavailable
from windlass.store import open_store
from windlass.store.protocol import NewJob
from windlass.store.relational.moving import TABLES

PATIENCE_S = 600.0
SPAN_S = (1.0, 6.0)
"""A move is killed so long after it was started."""
DONE = "already: use that one"


class Plan(NamedTuple):
    jobs: int
    kills: int
    producers: int
    seed: int


class Leg(NamedTuple):
    """What one way was like."""

    way: str
    jobs: int
    rows: int
    kills: int
    last_s: float
    """From the start of the command that came to the end, till then."""
    made_meanwhile: int
    running: int
    faults: list[str]


class Storm:
    def __init__(self, plan: Plan, folder: Path, url: str, say: Callable[[str], None]) -> None:
        self._plan, self._folder, self._url, self._say = plan, folder, url, say
        self._chance = random.Random(plan.seed)
        self._known: set[str] = set()
        self._tried: set[str] = set()

    def run(self) -> list[Leg]:
        """Both legs; the second begins where the first ended."""
        first, last = str(self._folder / "first.db"), str(self._folder / "last.db")
        store = open_store(first)
        store.migrate()
        began = time.monotonic()
        self._known.update(fill(store, self._plan.jobs))
        store.close()
        self._say(f"filled in {time.monotonic() - began:.0f} s")
        return [self._leg("there", first, self._url), self._leg("back", self._url, last)]

    def _leg(self, way: str, source: str, target: str) -> Leg:
        folder = self._folder / way
        folder.mkdir()
        environment = {
            **os.environ,
            "STORM_URL": source,
            "STORM_FOLDER": str(folder),
            "XDG_STATE_HOME": str(self._folder / "state"),
        }

        def spawn(*command: str, **how: Any) -> subprocess.Popen[str]:
            return subprocess.Popen([sys.executable, "-m", *command], env=environment, text=True, **how)

        def serve() -> subprocess.Popen[str]:
            with open(folder / "service.log", "a") as log:
                return spawn("windlass.cli", "run", "tests.storm.moving.app:app", stdout=log, stderr=log)

        service = serve()
        producers = [spawn("tests.storm.moving.producer", f"{way}{n}") for n in range(self._plan.producers)]
        killed = 0
        try:
            self._until_acknowledged(folder, producers)
            while True:
                began = time.monotonic()
                pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
                mover = spawn("windlass.cli", "move", source, target, "--json", **pipes)
                if killed < self._plan.kills:
                    try:
                        mover.wait(self._chance.uniform(*SPAN_S))
                    except subprocess.TimeoutExpired:
                        mover.send_signal(signal.SIGKILL)
                        mover.communicate()
                        killed += 1
                        self._say(f"{way}: killed after {time.monotonic() - began:.1f} s")
                        if service.poll() is not None:
                            service = serve()
                        continue
                said, complaint = mover.communicate(timeout=PATIENCE_S)
                last_s = time.monotonic() - began
                break
            for producer in producers:
                producer.wait(60)
            # The one before may have been killed with nothing left to do but to say so.
            was_done = killed > 0 and DONE in complaint
            if mover.returncode != 0 and not was_done:
                fault = f"the move ended with {mover.returncode}: {said}{complaint}"
                return Leg(way, 0, 0, killed, last_s, 0, 0, [fault])
        finally:
            for one in [*producers, service]:
                if one.poll() is None:
                    one.terminate()
                    one.wait(60)
        summary = None if was_done else json.loads(said)
        return self._judged(way, source, target, folder, killed, last_s, summary)

    def _until_acknowledged(self, folder: Path, producers: list[subprocess.Popen[str]]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(told(folder)[1]) < 5 * len(producers):
            assert all(one.poll() is None for one in producers), "a producer has ended"
            assert time.monotonic() < deadline, "producers make nothing"
            time.sleep(0.1)

    def _judged(
        self,
        way: str,
        source: str,
        target: str,
        folder: Path,
        killed: int,
        last_s: float,
        said: dict[str, Any] | None,
    ) -> Leg:
        left, right = open_store(source), open_store(target)
        tried, acknowledged, turned_away = told(folder)
        self._known |= acknowledged
        self._tried |= tried
        here, there = rows_of(left), rows_of(right)
        with right.side().engine.read() as connection:
            texts = [row[0] for row in connection.execute("SELECT payload FROM background_service_jobs")]
        found = faults(here, there, texts, self._known, self._tried)
        if turned_away != self._plan.producers:
            found.append(f"{turned_away} of {self._plan.producers} producers were told that it was moved")
        if not _refuses(left):
            found.append("both sides: the first still takes jobs")
        left.close()
        right.close()
        rows = {name: len(found) for name, found in there.items()} if said is None else said["rows"]
        jobs, total = rows["background_service_jobs"], sum(rows.values())
        self._say(
            f"{way}: {jobs:,} jobs, {total:,} rows; the last command took {last_s:.1f} s; {len(found)} faults"
        )
        return Leg(
            way,
            jobs,
            total,
            killed,
            round(last_s, 1),
            len(acknowledged),
            said["running"] if said else 0,
            found,
        )


def _refuses(store: Any) -> bool:
    try:
        store.insert([NewJob(key="late")])
    except StoreUnavailable as error:
        return "was moved to" in str(error)
    return False


def rows_of(store: Any) -> Rows:
    """All that is moved, but for when a rate allows the next start: each side has its own clock."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with store.side().engine.read() as connection:
        for table in TABLES:
            described = connection.execute(f"SELECT * FROM {table.name} LIMIT 0").description or ()
            names = sorted(column[0] for column in described)
            if table.name == "windlass_limits":
                names = [name for name in names if name not in ("free_at", "boot_id")]
            rows = connection.execute(f"SELECT {', '.join(names)} FROM {table.name}").fetchall()
            found[table.name] = [tuple(row) for row in rows]
    return found
