"""Drives a storm over three hosts and two servers, then the drain and the verdict."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event

import psycopg

from tests.postgres.programs import MAIN
from tests.postgres.standby import is_streaming
from tests.storm import processes
from tests.storm.bases import OPEN_JOBS, PostgresBase
from tests.storm.checker import check
from tests.storm.driver import JITTER_S, STALL_S, START_S, Outcome
from tests.storm.journal import Journal
from tests.storm.postgres.cluster import PLACES, POOLER, Cluster
from tests.storm.postgres.history import AUDIT, read
from tests.storm.postgres.hosts import Host
from tests.storm.postgres.network import Network
from tests.storm.postgres.recovery import recovered

HOSTS = ("h1", "h2", "h3")
POOLED = "h3"
"""It comes through the pooler."""
LEASE_S = 20.0
"""A host that gives no sign for so long loses its jobs."""
IN_COMMIT, COMMIT_S = 2 * len(HOSTS), 2.0
"""So many sessions are to be in the middle of a commit, or as many as are after this long."""
LEADER = (
    "SELECT d.host FROM windlass_meta AS m JOIN windlass_dispatchers AS d ON d.id::text = m.value"
    " WHERE m.name = 'leader'"
)
IN_TRANSACTION = "j.payload::jsonb->>'plan' IN ('tx', 'family')"
FREEZE_LOOK_S, WAKES_LATER_S = 10.0, 1.0
RECOVERY_S, RESCUE_S = 10.0, 40.0
"""What is promised: jobs run so soon after the database is back, and those of a vanished host elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What kind of storm."""

    kills: int
    seed: int
    seconds_limit: float = 1800.0
    mean_gap_s: float = 0.25
    producers: int = 1
    """On each host."""
    version: str = MAIN
    drain_s: float = STALL_S
    """How long nothing may happen, while jobs are left, before the drain is given up."""
    drain_most_s: float = 240.0
    weights: dict[str, int] = field(
        default_factory=lambda: {
            "isolate": 48, "dispatcher": 14, "group": 4, "producer": 12,
            "crash": 4, "terminate": 8, "commit": 6, "pooler": 2, "cut": 3,
        }
    )  # fmt: skip
    failovers: int = 1
    """How often the standby takes over, spread over the storm."""
    vanishes: int = 0
    """How often a host is gone for longer than a lease; every other time the one whose dispatcher leads."""
    freezes: int = 0
    """How often a host is stopped for longer than a lease, and goes on."""
    lease_s: float | None = None
    work_ms: int | None = None
    plant: str | None = None
    """A bug to plant in the services and producers."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the servers, beside the usual ones."""


class Storm:
    """One storm in one folder."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._folder = folder.resolve()
        self._say = say
        self._rng = random.Random(plan.seed)
        self._log = Journal(self._folder / "kills.log")
        self._kills: Counter[str] = Counter()
        self._hosts: list[Host] = []
        self._recoveries: list[float] = []
        """How long after a server was back jobs ran again, in seconds …"""
        self._all_recoveries: list[float] = []
        """… and until they did on every host that worked before."""
        self._rescues: list[float] = []
        """How long after a host had vanished none of its jobs was its own any more."""
        self._cuts: Counter[str] = Counter()
        self._network: Network
        self._cluster: Cluster

    def run(self) -> Outcome:
        """The storm, the drain, the stop, and the verdict on all of it."""
        processes.sweep()
        with ExitStack() as stack:
            self._network = stack.enter_context(Network.of((*PLACES, POOLER, *HOSTS), self._folder))
            self._cluster = stack.enter_context(
                Cluster.of(self._network, self._plan.version, self._plan.settings)
            )
            try:
                self._begin()
                began = time.monotonic()
                self._rage(began)
                stormy = time.monotonic() - began
                for host in self._hosts:
                    host.stop_producers()
                self._drain()
                for host in self._hosts:
                    host.stop_service()
            finally:
                for host in self._hosts:
                    host.end_everything()
                self._cluster.keep_logs(self._folder)
                self._log.close()
            folders = [self._folder, *(host.folder for host in self._hosts)]
            verdict = check(read(folders, self._cluster.local_url()))
        for host in self._hosts:
            verdict.violations.extend(host.faults)
        verdict.figures["services started again"] = sum(host.restarts for host in self._hosts)
        verdict.figures["… after giving up under fire"] = sum(host.under_fire for host in self._hosts)
        for way, count in sorted(self._cuts.items()):
            verdict.figures[f"links cut: {way}"] = count
        for name, found, goal_s in (
            ("recovery", self._recoveries, RECOVERY_S),
            ("recovery of all", self._all_recoveries, RECOVERY_S),
            ("vanished rescue", self._rescues, RESCUE_S),
        ):
            verdict.figures[f"{name} p50 ms"] = round(median(found or [0.0]) * 1000)
            verdict.figures[f"{name} max ms"] = round(max(found, default=0.0) * 1000)
            verdict.figures[f"{name} goal ms"] = round(goal_s * 1000)
        return Outcome(self._kills, stormy, verdict)

    def _begin(self) -> None:
        extra = {"STORM_PLANT": self._plan.plant} if self._plan.plant else {}
        if self._plan.lease_s:
            extra["STORM_LEASE_S"] = str(self._plan.lease_s)
        if self._plan.work_ms is not None:
            extra["STORM_WORK_MS"] = str(self._plan.work_ms)
        for name in HOSTS:
            url = self._cluster.pooled_url() if name == POOLED else self._cluster.url()
            environment = extra | {"STORM_URL": url}
            host = Host(name, self._folder / name, self._network, self._rng, self._say, environment)
            self._hosts.append(host)
            host.start_service()
        self._prepare()
        for host in self._hosts:
            for _ in range(self._plan.producers):
                host.start_producer()

    def _prepare(self) -> None:
        """Waits for the services' schema, and puts our own tables and triggers beside it."""
        made = "SELECT to_regclass('background_service_jobs') IS NOT NULL"
        if not self._wait(lambda: bool(self._query(made)), START_S):
            raise RuntimeError(f"no service came up: see output.log of {self._hosts[0].folder}")
        self._wait(lambda: all(host.dispatchers() for host in self._hosts), START_S)
        with psycopg.connect(self._cluster.local_url()) as connection:
            connection.execute(AUDIT.encode())

    def _query(self, sql: str) -> object:
        return PostgresBase(self._cluster.local_url()).query(sql)

    # ── the weather ──────────────────────────────────────────────────────────────────────────────
    def _rage(self, began: float) -> None:
        plan, pause = self._plan, Event()
        kinds, weights = list(plan.weights), list(plan.weights.values())
        rare = Counter[str]()
        wanted = {"failover": plan.failovers, "vanish": plan.vanishes, "freeze": plan.freezes}
        while (done := sum(self._kills.values())) < plan.kills:
            if time.monotonic() - began >= plan.seconds_limit:
                return
            pause.wait(min(self._rng.expovariate(1 / plan.mean_gap_s), 2.0))
            self._mend()
            share = (done + 1) / plan.kills
            due = [name for name, most in wanted.items() if rare[name] < int(most * share + 0.5)]
            kind = due[0] if due else self._rng.choices(kinds, weights)[0]
            rare[kind] += 1
            host = self._rng.choice(self._hosts)
            if kind == "vanish" and rare[kind] % 2:
                host = self._leading() or host
            # Mostly where there is work to interrupt, sometimes while it is still coming up.
            if self._rng.random() < 0.85:
                if not self._wait(self._handler_tells(), STALL_S):
                    host.fault("stalled", f"no handler started or ended anywhere for {STALL_S:.0f} s")
                    return
                # Not at the sign itself, which always comes at the same point of a job.
                pause.wait(self._rng.uniform(0, JITTER_S))
            self._strike(kind, host)
            if (done + 1) % 50 == 0:
                self._say(f"{done + 1} kills")

    def _strike(self, kind: str, host: Host) -> None:
        begin = time.time_ns()
        match kind:
            case "isolate" | "dispatcher" | "group" | "producer":
                self._kill(kind, host)
            case "crash":
                self._shake(kind, self._cluster.crash)
            case "failover":
                # Every other time nobody is told.
                silent = self._kills[kind] % 2 == 1
                self._shake(kind, lambda: self._cluster.fail_over(silent=silent))
                for place in PLACES:
                    self._network.heal(place)
            case "terminate" | "commit":
                for each in self._hosts:
                    each.was_shaken = True
                if self._terminate(in_commit=kind == "commit"):
                    self._kills[kind] += 1
                    self._log.write("kill", kind="terminate", pids=[], begin=begin, end=time.time_ns())
            case "pooler":
                self._shake(kind, self._cluster.bouncer.restart)
            case "cut":
                # Less or more than the net that looks for lost connections, and less or more than a lease.
                lease_s = self._plan.lease_s or LEASE_S
                self._cut(host, self._rng.choice([1.0, 3.0, lease_s / 2, lease_s + 8.0]))
            case "freeze":
                self._freeze(host)
            case _:
                self._vanish(host)

    def _kill(self, kind: str, host: Host) -> None:
        victims = self._victims(kind, host)
        begin = time.time_ns()
        if not processes.send(victims, signal.SIGKILL, host.folder):
            return
        self._log.write("kill", kind=kind, pids=victims, begin=begin, end=time.time_ns())
        self._kills[kind] += 1
        host.blows += kind in ("isolate", "dispatcher")
        if not processes.gone(victims, within_s=5.0):
            host.fault("orphan", f"some of {victims} outlived kill -9")

    def _victims(self, kind: str, host: Host) -> list[int]:
        match kind:
            case "isolate":
                isolates = host.isolates(experienced=True) or host.isolates()
                return [self._rng.choice(isolates)] if isolates else []
            case "dispatcher":
                return host.dispatchers()
            case "group":
                # The supervisor first, or it would start another dispatcher.
                supervisor = [host.service.pid] if host.service else []
                return [*supervisor, *host.dispatchers(), *host.isolates()]
            case _:
                producers = list(host.producers.values())
                return [self._rng.choice(producers).pid] if producers else []

    def _shake(self, kind: str, what: Callable[[], None]) -> None:
        """Something that takes the database away for a while, and how long until hosts work again."""
        for host in self._hosts:
            host.was_shaken = True
        # Who was killed just before has to start first.
        hosts = [host for host in self._hosts if host.isolates(experienced=True)]
        working = [host.folder for host in hosts or self._hosts]
        begin = time.time_ns()
        what()
        back_at = self._cluster.back_at
        self._kills[kind] += 1
        self._log.write("kill", kind=kind, pids=[], begin=begin, end=time.time_ns())
        if kind == "pooler":
            return
        if not self._wait(lambda: recovered(working, back_at) is not None, STALL_S):
            self._hosts[0].fault("stalled", f"a host started no handler for {STALL_S:.0f} s after a {kind}")
            return
        spans = recovered(working, back_at) or [0.0]
        self._say(f"after a {kind} hosts worked again in {spans} s")
        self._recoveries.append(min(spans))
        self._all_recoveries.append(max(spans))
        if max(spans) > RECOVERY_S:
            self._hosts[0].fault("slow recovery", f"the hosts worked again {spans} s after the {kind}")

    def _terminate(self, *, in_commit: bool) -> bool:
        """Ends sessions; where it is to be in mid-commit, those whose commit the standby has not heard of."""
        if not in_commit:
            return self._cluster.terminate(in_commit=False) > 0
        with self._cluster.mute_standby():
            self._wait(lambda: self._cluster.in_commit() >= IN_COMMIT, COMMIT_S)
            return self._cluster.terminate(in_commit=True) > 0

    def _leading(self) -> Host | None:
        """The host whose dispatcher looks after the dead."""
        name = self._query(LEADER)
        return next((host for host in self._hosts if host.name == name), None)

    def _freeze(self, host: Host) -> None:
        """Every process of a host is stopped, whatever it is in the middle of, until others have its jobs.

        Its isolates wake first, and settle what they have in hand before their dispatcher hears that it was
        taken for lost: there the fence alone is between them and whoever has those jobs by now.
        """
        # Who commits nothing of his own leaves it to his dispatcher, which asks first.
        self._wait(lambda: bool(self._query(f"{_running_on(host)} AND {IN_TRANSACTION}")), FREEZE_LOOK_S)
        begin = time.time_ns()
        stopped = processes.send(host.running(), signal.SIGSTOP, host.folder)
        Event().wait((self._plan.lease_s or LEASE_S) + 8.0)
        processes.send(host.isolates(), signal.SIGCONT, host.folder)
        Event().wait(WAKES_LATER_S)
        processes.send(stopped, signal.SIGCONT, host.folder)
        self._kills["freeze"] += 1
        self._log.write("freeze", kind="freeze", pids=stopped, begin=begin, end=time.time_ns())

    def _cut(self, host: Host, seconds: float) -> None:
        pids, begin = set(host.running()), time.time_ns()
        host.was_shaken = True
        ways = {
            "both ways": self._network.cut,
            "what it sends": self._network.mute,
            "what it is sent": self._network.deafen,
        }
        way = self._rng.choice(list(ways))
        self._cuts[way] += 1
        ways[way](host.name)
        Event().wait(seconds)
        pids |= set(host.running())
        self._network.heal(host.name)
        self._kills["cut"] += 1
        self._log.write("kill", kind="cut", pids=sorted(pids), begin=begin, end=time.time_ns())

    def _vanish(self, host: Host) -> None:
        """The link goes first, so that nobody is told; the host is back when its jobs have run elsewhere."""
        mine = _running_on(host)
        # Who vanishes with nothing to do tells nothing.
        self._wait(lambda: bool(self._query(mine)), STALL_S)
        begin = time.time_ns()
        self._network.cut(host.name)
        pids = host.vanish()
        gone = time.monotonic()
        self._log.write("kill", kind="vanish", pids=pids, begin=begin, end=time.time_ns())
        self._kills["vanish"] += 1
        if self._wait(lambda: self._query(mine) == 0, LEASE_S + STALL_S):
            seconds = time.monotonic() - gone
            self._rescues.append(seconds)
            if seconds > RESCUE_S:
                host.fault("slow rescue", f"its jobs were taken over after {seconds:.1f} s")
        else:
            host.fault("stalled", "nobody took over its jobs")
        self._network.heal(host.name)
        host.come_back()

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────
    def _mend(self) -> None:
        for host in self._hosts:
            host.mend()

    def _handler_tells(self) -> Callable[[], bool]:
        """Becomes true when any handler logs something new."""
        known: dict[Path, int] = {}

        def sizes() -> dict[Path, int]:
            logs = (path for host in self._hosts for path in host.folder.glob("handler-*.log"))
            return {path: path.stat().st_size for path in logs}

        known.update(sizes())
        return lambda: any(size > known.get(path, 0) for path, size in sizes().items())

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        pause = Event()
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._mend()
            pause.wait(0.01)
        return True

    def _drain(self) -> None:
        """Until every job has ended, or nothing has happened for a while."""
        left, moved_at, pause = -1, time.monotonic(), Event()
        given_up_at = moved_at + self._plan.drain_most_s
        while moved_at + self._plan.drain_s > time.monotonic() < given_up_at:
            before, left = left, self._query(OPEN_JOBS)
            if left == 0:
                self._wait(lambda: is_streaming(self._cluster.primary), START_S)
                return
            if left != before:
                moved_at = time.monotonic()
            self._mend()
            pause.wait(0.05)


def _running_on(host: Host) -> str:
    """Asks how many jobs it has in hand."""
    return (
        "SELECT count(*) FROM background_service_jobs AS j JOIN windlass_dispatchers AS d"
        f" ON d.id = j.lease_owner WHERE d.host = '{host.name}' AND j.status = 'RUNNING'"
    )
