"""Testing kit: a clock you move, jobs run in the test's own thread, and claims about what was enqueued.

>>> import tempfile
>>> from windlass.app import Windlass
>>> clock = ManualClock()
>>> app = Windlass(tempfile.mkdtemp() + "/app.db", clock=clock)
>>> @app.job
... def remind(who: str) -> str:
...     return f"wake up, {who}"
>>> _ = remind.using(delay="1h").enqueue(who="Ada")
>>> assert_enqueued(app, "remind", who="Ada").priority
0
>>> drain(app)
[]
>>> clock.advance("1h")
>>> [job.result for job in drain(app)]
['wake up, Ada']
"""

from __future__ import annotations

import fnmatch
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from windlass.app import Windlass
from windlass.clock import Clock, SystemClock, from_us, to_wall_us
from windlass.constraints import Constraints, conditions
from windlass.context.kept import LogBook
from windlass.device.probe import AnyDevice
from windlass.duration import Duration, to_us
from windlass.facts import DeviceState, Fact, Files, Idle, Network, Power, Storage, Unknown, Verdict
from windlass.job import Job, JobStatus
from windlass.store.protocol import Claim, ClaimRequest, ProgressNote, Settlement
from windlass.version import VERSION
from windlass.worker.conditions import Conditions
from windlass.worker.isolate import WorkerService
from windlass.worker.lease import Lease
from windlass.worker.sources import Source

__all__ = ["FakeDevice", "ManualClock", "assert_enqueued", "drain", "enqueued", "inline", "refute_enqueued"]


class ManualClock:
    """A clock that stands still until it is moved. Pass it as ``Windlass(..., clock=clock)``."""

    def __init__(self, now: datetime | None = None) -> None:
        self._wall_us = to_wall_us(now or datetime(2026, 1, 1, tzinfo=UTC))
        self._boot_us = 1_000_000_000
        self._boots = 1

    @property
    def now(self) -> datetime:
        """What the wall clock shows, in UTC."""
        return from_us(self._wall_us)

    def advance(self, span: Duration) -> None:
        """Lets time pass."""
        span_us = to_us(span, name="span")
        self._wall_us += span_us
        self._boot_us += span_us

    def jump(self, to: datetime) -> None:
        """Sets the wall clock, forward or back, while no time passes."""
        self._wall_us = to_wall_us(to)

    def reboot(self) -> None:
        """Restarts the machine: the boot clock begins again."""
        self._boots += 1
        self._boot_us = 0

    def wall_us(self) -> int:
        return self._wall_us

    def boot_us(self) -> int:
        return self._boot_us

    def boot_id(self) -> str:
        return f"manual-boot-{self._boots}"


_NETWORKS = {
    "none": Network(connected=False),
    "portal": Network(connected=True, portal=True, metered=False, roaming=False, through="Wi-Fi “Fake”"),
    "metered": Network(connected=True, metered=True, roaming=False, through="Wi-Fi “Fake”"),
    "roaming": Network(connected=True, metered=True, roaming=True, through="mobile network “Fake”"),
    "unmetered": Network(connected=True, metered=False, roaming=False, through="Wi-Fi “Fake”"),
}


class FakeDevice:
    """A device whose facts are set by hand. Pass it as ``Windlass(..., device=device)``.

    At first every condition holds but ``files``, which waits for ``touch``. Its time is that of the app.

    >>> device = FakeDevice(battery=14, charging=False)
    >>> device.set(network="metered")
    """

    def __init__(self, **facts: Any) -> None:
        """``facts``: as ``set`` takes them."""
        self._lock = threading.RLock()
        self._clock: Clock | None = None
        self._looking: list[Callable[[], None]] = []
        self._facts: dict[str, Fact] = {
            "network": _NETWORKS["unmetered"],
            "power": Power(percent=100, charging=True),
            "storage": Storage(free=50 * 10**9, total=100 * 10**9),
        }
        self._idle_us: int | None = to_us("1d")
        self._idle_since_us = 0
        self._answers: dict[str, bool | Mapping[str, bool | str]] = {"reachable": True, "when": True}
        self._unknown: dict[str, str] = {}
        self._touched: dict[str, int | None] = {}
        self.set(**facts)

    def set(
        self,
        *,
        network: Literal["none", "portal", "metered", "roaming", "unmetered"] | None = None,
        battery: float | None = None,
        charging: bool | None = None,
        idle: bool | Duration | None = None,
        free: int | None = None,
        total: int | None = None,
        reachable: bool | Mapping[str, bool | str] | None = None,
        when: bool | Mapping[str, bool | str] | None = None,
        unknown: Mapping[str, str] | None = None,
    ) -> None:
        """Changes what is given, and tells at once everybody who waits for it.

        ``battery``: percent. ``idle``: from now on, or for that span already. ``free`` and ``total``: bytes.
        ``reachable``, ``when``: of all, or by URL and by name; a text is why it does not hold.
        ``unknown``: what nobody can tell (``network``, ``power``, ``idle``, ``storage``, …), and why.
        """
        with self._lock:
            if network is not None:
                self._facts["network"] = _NETWORKS[network]
            self._replace("power", percent=battery, charging=charging)
            self._replace("storage", free=free, total=total)
            if idle is not None:
                self._idle_us = None if idle is False else 0 if idle is True else to_us(idle, name="idle")
                self._rest()
            for name, answer in (("reachable", reachable), ("when", when)):
                if answer is not None:
                    self._answers[name] = answer
            if unknown is not None:
                self._unknown = dict(unknown)
        self._tell()

    def touch(self, path: str) -> None:
        """A file changes, and is left alone; its path is written as patterns are: ``"inbox/new.csv"``."""
        with self._lock:
            self._touched[path] = None if self._clock is None else self._clock.wall_us()
        self._tell()

    def open(self, on_change: Callable[[], None], *, clock: Clock | None = None) -> AnyDevice:
        """As one dispatcher sees it; ``on_change`` is called in the thread that sets something."""
        with self._lock:
            if self._clock is None:
                self._clock = clock or SystemClock()
                self._rest()
                now_us = self._clock.wall_us()
                self._touched = {path: at or now_us for path, at in self._touched.items()}
            self._looking.append(on_change)
        return _Look(self, on_change)

    def state(self, names: Iterable[str]) -> DeviceState:
        """What is so now, of the facts of these names."""
        with self._lock:
            now_us = 0 if self._clock is None else self._clock.wall_us()
            return DeviceState(now_us=now_us, facts={name: self._fact(name) for name in names})

    def leave(self, on_change: Callable[[], None]) -> None:
        """Whoever was to be called looks no more."""
        with self._lock:
            self._looking.remove(on_change)

    def _tell(self) -> None:
        with self._lock:
            looking = list(self._looking)
        for on_change in looking:
            on_change()

    def _replace(self, name: str, **changes: Any) -> None:
        given = {field: value for field, value in changes.items() if value is not None}
        self._facts[name] = msgspec.structs.replace(self._facts[name], **given)

    def _rest(self) -> None:
        if self._clock is not None:
            self._idle_since_us = self._clock.wall_us() - (self._idle_us or 0)

    def _fact(self, name: str) -> Fact:
        kind, _, asked = name.partition(" ")
        if kind in self._unknown:
            return Unknown(self._unknown[kind])
        if kind == "idle":
            return Idle(None if self._idle_us is None else self._idle_since_us)
        if kind == "files":
            patterns = msgspec.json.decode(asked, type=list[str])[1:]
            changes = [
                (at or 0, path)
                for path, at in self._touched.items()
                if any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
            ]
            at_us, newest = max(changes, default=(None, ""))
            return Files(changed_us=at_us, newest=newest.rpartition("/")[2])
        if kind in self._answers:
            answers = self._answers[kind]
            answer = answers if isinstance(answers, bool) else answers.get(asked, True)
            return Verdict(answer is True, answer if isinstance(answer, str) else "")
        return self._facts[kind]


class _Look:
    """A fake device as one dispatcher sees it."""

    def __init__(self, device: FakeDevice, on_change: Callable[[], None]) -> None:
        self._device, self._on_change = device, on_change
        self._names: frozenset[str] = frozenset()

    def want(self, wanted: Iterable[Constraints]) -> None:
        self._names = frozenset(each.fact for constraints in wanted for each in conditions(constraints))

    def state(self) -> DeviceState:
        return self._device.state(self._names)

    def close(self) -> None:
        self._device.leave(self._on_change)


def drain(app: Windlass, *, limit: int = 10_000) -> list[Job]:
    """Runs what is due, one job after another in this thread, until nothing is; the jobs as they then stand.

    Jobs that they enqueue run, too, and those that schedules and sync make by now. Paused queues stay paused.
    Handlers of every kind run here, in process. Conditions hold, unless a ``FakeDevice`` of the app says
    otherwise.

    Raises:
        RuntimeError: more than ``limit`` runs: something enqueues itself for ever.
    """
    store = app.store
    service = _Recorder()
    lease = Lease(app.state_dir / "dispatchers", app.clock)
    lease.take()
    owner = store.register(
        host=socket.gethostname(), pid=os.getpid(), lock_file=str(lease.path), version=VERSION, mode="drain",
        job_keys=app.registry.keys(), own_keys=app.registry.own_keys(),
    )  # fmt: skip

    def report(claim: Claim, progress: str) -> None:
        note = ProgressNote(claim.job_id, claim.attempt, claim.token, progress)
        store.settle_and_claim([], None, [note])

    logs = LogBook()
    performer = app.make_performer(service, report, logs)
    sources = app.make_sources()
    device = app.device or FakeDevice()
    conditions = Conditions(store, lambda wake: device.open(wake, clock=app.clock), wake=lambda: None)
    ran: dict[int, None] = {}
    runs = 0
    try:
        while (
            claim := _claim(app, owner, conditions) or _claim_made(app, owner, conditions, sources)
        ) is not None:
            runs += 1
            if runs > limit:
                raise RuntimeError(
                    f"drain ran {limit} jobs and there are more: does one enqueue itself for ever?"
                )
            outcome = performer.perform(claim)
            said = logs.close(claim)
            settlement = Settlement(claim.job_id, claim.attempt, claim.token, outcome)
            store.settle_and_claim([settlement], logs=[said] if said else [])
            ran[claim.job_id] = None
    finally:
        conditions.close()
        for source in sources:
            source.close()
        store.reclaim(owner)
        store.unregister(owner)
        lease.give_up()
    return [job for job_id in ran if (job := store.get(job_id)) is not None]


@contextmanager
def inline(app: Windlass) -> Generator[None]:
    """Runs each job inside the enqueue that makes it, while the block lasts; delayed ones wait for ``drain``.

    A job enqueued on a caller's connection runs at the next enqueue or ``drain``, once it is committed.
    """
    client = app.client
    wanted = threading.Semaphore(0)
    drains = threading.Lock()

    def run() -> None:
        wanted.release()
        # A handler's own enqueue, on whatever thread, is left to the drain that runs the handler.
        while wanted.acquire(blocking=False):
            if drains.acquire(blocking=False):
                try:
                    drain(app)
                finally:
                    drains.release()
            else:
                wanted.release()
                if drains.locked():
                    return

    before, client.submitted = client.submitted, run
    try:
        yield
    finally:
        client.submitted = before


def enqueued(app: Windlass, key: str | None = None, **fields: Any) -> list[Job]:
    """The jobs that wait, oldest first, of that key and with those payload fields."""
    waiting = app.jobs.list(status=JobStatus.PENDING, key=key, order="id", limit=100_000)
    return [
        job
        for job in waiting
        if all((job.payload or {}).get(name) == value for name, value in fields.items())
    ]


def assert_enqueued(app: Windlass, key: str, *, count: int | None = None, **fields: Any) -> Job:
    """Asserts that a job of that key waits, with those payload fields; returns the newest one.

    ``count``: exactly so many.
    """
    found = enqueued(app, key, **fields)
    if not found or (count is not None and len(found) != count):
        wanted = f"{'a job' if count is None else count} {key!r} with {fields}"
        there = [f"{job.key}({job.payload})" for job in enqueued(app)][-10:] or ["nothing"]
        raise AssertionError(
            f"expected {wanted} to be enqueued, found {len(found)}; waiting are: {', '.join(there)}"
        )
    return found[-1]


def refute_enqueued(app: Windlass, key: str, **fields: Any) -> None:
    """Asserts that no job of that key with those payload fields waits."""
    found = enqueued(app, key, **fields)
    if found:
        raise AssertionError(
            f"expected no {key!r} with {fields} to be enqueued, found {len(found)}: {found[-1]}"
        )


def _claim(app: Windlass, owner: int, conditions: Conditions) -> Claim | None:
    store = app.store
    store.expire()
    store.promote()
    known = app.registry.keys()
    conditions.turned()
    lanes = conditions.sift([lane for lane in store.lanes() if known is None or lane.key in known])
    before = conditions.changed_us(lanes)
    pins = [switch.pin for switch in store.switches().values() if switch.pin is not None]
    request = ClaimRequest(owner, 1, dict.fromkeys(lanes, 1), _accept_any, before, labels=pins)
    claimed = store.settle_and_claim([], request).claimed
    return claimed[0] if claimed else None


def _claim_made(app: Windlass, owner: int, conditions: Conditions, sources: Sequence[Source]) -> Claim | None:
    for source in sources:
        source.look()
    return _claim(app, owner, conditions)


def _accept_any(_: Claim) -> bool:
    return True


class _Recorder(WorkerService):
    """The service of a drain: what handlers send out goes nowhere."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
