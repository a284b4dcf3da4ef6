"""Drives a storm of sync: edits, kills and cuts, and between them calms in which all must become equal."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from tests.storm import processes
from tests.storm.checker import Verdict, Violation
from tests.storm.journal import Journal
from tests.storm.sync.checker import check
from tests.storm.sync.fleet import WEATHER, Fleet, Replica
from tests.storm.sync.history import read
from tests.storm.sync.resolver import Resolver
from tests.storm.sync.server import Recorder
from tests.storm.sync.shape import (
    POLICIES,
    Traits,
    connected,
    differences,
    is_postgres,
    left_to_do,
    pulled_us,
    rows_of,
)
from tests.sync.servers.proxy import Fault

START_S = 60.0
LATE = 5
"""So many times as long may nothing move where no pull has come to its end: a busy machine."""
INSTALLED = {
    False: "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('crates', 'notes')",
    True: "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'windlass_sync_%'",
}
"""Triggers of the capture: in SQLite, and in PostgreSQL."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What kind of storm."""

    rounds: int
    seed: int
    replicas: int = 4
    calm_every: int = 50
    """Rounds between two calms."""
    mean_gap_s: float = 0.2
    """How long a round lasts on average, beside what it does."""
    kill_share: float = 0.45
    """Of rounds in which something is killed."""
    cut_share: float = 0.15
    """Of rounds in which a network is cut, until it is healed some rounds later."""
    heat: float = 0.1
    """Of rounds in which every replica is edited at one moment, so that edits conflict."""
    weather: Mapping[Fault, float] = field(default_factory=lambda: WEATHER)
    """How often a request meets which fault on its way."""
    drain_s: float = 60.0
    """How long a calm may last without anything becoming equal that was not, while pulls are made."""
    seconds_limit: float = 3600.0
    policies: tuple[str, ...] | None = None
    """Of the replicas; by the seed where it is not said."""
    threads: int | None = None
    """How many replicas are programs of their own instead of services; half of them."""
    dedupes: bool = True
    """The server gives a change that it is sent twice one effect."""
    plant: str | None = None
    """A bug to plant in every replica."""


@dataclass
class Outcome:
    """How a storm went."""

    rounds: int
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
        self._server = Recorder(self._folder, dedupes=plan.dedupes, seed=plan.seed)
        traits = self._drawn()
        self._fleet = Fleet(self._folder, self._rng, say, traits, self._server.url, plan.weather)
        self._decisions = Journal(self._folder / "decisions.log")
        self._resolver = Resolver(self._folder, [one.traits for one in self._fleet.replicas], self._decisions)
        self._events = Journal(self._folder / "driver.log")
        self._kills: Counter[str] = Counter()
        self._cuts = 0
        self._calms = 0
        for one in traits:
            sends = f"{one.update}, {'batches' if one.batch else 'one by one'}"
            say(f"replica {one.number}: {one.policy}, {sends}, {'threads' if one.threads else 'service'}")

    def _drawn(self) -> list[Traits]:
        plan, rng = self._plan, self._rng
        policies = list(plan.policies or rng.sample(POLICIES, min(plan.replicas, len(POLICIES))))
        updates = [rng.choice(("PATCH", "PATCH", "PUT")) for _ in range(plan.replicas)]
        batches = [rng.random() < 0.4 for _ in range(plan.replicas)]
        threads = plan.replicas // 2 if plan.threads is None else plan.threads
        return [
            Traits(
                number=number,
                policy=policies[number % len(policies)],
                url="",
                update=updates[number],
                batch=batches[number],
                dedupes=plan.dedupes,
                threads=number < threads,
                plant=plan.plant,
            )
            for number in range(plan.replicas)
        ]

    def run(self) -> Outcome:
        """The storm, the last calm, the stop, and the verdict on all of it."""
        fleet = self._fleet
        began = time.monotonic()
        done = 0
        try:
            fleet.mend(all_of_them=True)
            self._prepare()
            while done < self._plan.rounds and time.monotonic() - began < self._plan.seconds_limit:
                self._round()
                done += 1
                if done % self._plan.calm_every == 0 and done < self._plan.rounds:
                    kills, writes = sum(self._kills.values()), self._server.shelf.version
                    seconds = time.monotonic() - began
                    self._say(f"{done} rounds, {kills} kills, {writes} writes, {seconds:.0f} s")
                    if not self._calm():
                        break
            seconds = time.monotonic() - began
            self._calm()
            fleet.stop()
        finally:
            self._resolver.close()
            fleet.end_everything()
            self._server.down()
            self._decisions.close()
            self._events.close()
        verdict = check(read(self._folder, [one.traits for one in fleet.replicas]))
        verdict.violations[:0] = fleet.faults
        passed = fleet.counts_of_faults()
        verdict.figures.update({
            "reads": self._server.reads,
            "starts of programs": fleet.restarts,
            "networks cut": self._cuts,
            "calms": self._calms,
            "answers of trouble": self._server.troubles,
            "requests lost": passed["drop"],
            "answers cut or truncated": passed["cut"] + passed["truncate"],
            "answers late, slow or repeated": passed["delay"] + passed["slow"] + passed["twice"],
        })  # fmt: skip
        return Outcome(done, self._kills, seconds, verdict)

    def _prepare(self) -> None:
        """Waits until every replica is synced at all: edits before that are of another kind."""
        deadline = time.monotonic() + START_S
        for one in self._fleet.replicas:
            while True:
                with closing(connected(one.path)) as reader:
                    if reader.execute(INSTALLED[is_postgres(one.path)]).fetchone()[0] >= 6:
                        break
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the replicas did not come up: see {self._folder / 'output.log'}")
                Event().wait(0.05)

    # ── the weather ──────────────────────────────────────────────────────────────────────────────
    def _round(self) -> None:
        plan, rng, fleet = self._plan, self._rng, self._fleet
        fleet.mend()
        for one in rng.sample(fleet.replicas, rng.choice((1, 1, 2))):
            fleet.edit(one, rng.choice((1, 2, 4)))
        if rng.random() < plan.heat:
            for one in fleet.replicas:
                fleet.edit(one, 2)
        for one in fleet.replicas:
            if one.is_cut and rng.random() < 0.3:
                fleet.heal(one)
        if rng.random() < plan.cut_share:
            self._cuts += 1
            fleet.cut(rng.choice(fleet.replicas))
        Event().wait(min(rng.expovariate(1 / plan.mean_gap_s), 2.0))
        if rng.random() < plan.kill_share:
            self._strike(rng.choice(fleet.replicas))
        self._resolver.answer_some(rng)

    def _strike(self, one: Replica) -> None:
        kinds = {"isolate": one.isolates, "dispatcher": one.dispatchers, "group": one.everything}
        if one.traits.threads:
            kinds = {"program": one.everything}
        kind = self._rng.choice([*kinds, *kinds, "editor"])
        victims = kinds[kind]() if kind in kinds else [one.editor.pid] if one.editor else []
        hit = processes.send(victims, signal.SIGKILL, self._folder)
        if not hit:
            return
        self._events.write("kill", kind=kind, replica=one.traits.number, pids=victims)
        self._kills[kind] += 1
        one.blows += kind in ("isolate", "dispatcher")
        if kind in ("group", "program") and self._rng.random() < 0.4:
            one.stays_off = self._rng.randrange(2, 8)
        if not processes.gone(victims, within_s=5.0):
            self._fleet.fault("orphan", f"some of {victims} outlived kill -9")

    # ── the calm ─────────────────────────────────────────────────────────────────────────────────
    def _calm(self) -> bool:
        """Heals everything, and waits until all are equal and nobody has anything to do; False: never."""
        fleet = self._fleet
        self._calms += 1
        fleet.mend(all_of_them=True)
        fleet.all_edited()
        for one in fleet.replicas:
            fleet.heal(one)
        fleet.weather(good=True)
        self._server.is_well = True
        left, moved_at = [""], time.time()
        while left:
            fleet.mend(all_of_them=True)
            self._resolver.answer_some(self._rng, all_of_them=True)
            before, left = left, self._left()
            if left != before:
                moved_at = time.time()
            if self._is_over(moved_at):
                fleet.faults += [Violation("did not become equal", text) for text in left]
                return False
            Event().wait(0.1)
        fleet.weather(good=False)
        self._server.is_well = False
        self._events.write("calm")
        return True

    def _is_over(self, moved_at: float) -> bool:
        """Has nothing moved for so long that nothing will?

        Who has pulled to the end meanwhile has heard all there is and has no excuse; others may be slow.
        """
        drain_s, now = self._plan.drain_s, time.time()
        ages = {one.traits.number: now - pulled_us(one.path) / 1_000_000 for one in self._fleet.replicas}
        late = {number: round(age_s) for number, age_s in ages.items() if age_s > drain_s / 2}
        if now - moved_at <= drain_s or (late and now - moved_at <= LATE * drain_s):
            return False
        self._say(f"seconds since the last pull: {late or 'none is late'}")
        return True

    def _left(self) -> list[str]:
        """What is not as it must be in a calm."""
        server = self._server.rows()
        found: list[str] = []
        for one in self._fleet.replicas:
            name = f"replica {one.traits.number} ({one.traits.policy})"
            found += [f"{name}: {text}" for text in [left_to_do(one.path)] if text]
            found += [f"{name}: {text}" for text in differences(server, rows_of(one.path))]
        return found
