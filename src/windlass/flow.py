"""Chains and groups: jobs that wait for each other, enqueued in one commit.

``fetch.step("a").then(parse.step())`` is *work*: nothing is written before its ``enqueue``. A step is one
job, however often its object is named, so that a step in two branches is one that both wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol, cast

import msgspec

from windlass.bridge import Spawn, asynchronous
from windlass.clock import monotonic, sleep
from windlass.duration import Duration, to_seconds
from windlass.errors import InvalidJob
from windlass.job import Job, JobStatus
from windlass.joining import here
from windlass.options import Options
from windlass.store.flows import Relative, Tally
from windlass.store.protocol import Durability, JobFilter, NewJob, Store
from windlass.watch import wait_readable

_WAITS_MOST = 100_000
"""How many pairs of parent and child one enqueue may write."""
_PAGE = 500
_NAMED_MOST = 5
"""So many parents are named."""
_LOOKS_MOST = 50
"""So many of those above are looked at for what holds them."""
_POLL_S = 0.5
_REST = 2.0
"""After a look at its jobs, so many times its length passes before the next."""


class Submits(Protocol):
    """Who writes jobs: the client of an app."""

    def submit(self, jobs: list[NewJob], options: Options) -> list[Job]:
        """Inserts validated jobs and says what became of each."""
        ...

    def open_store(self) -> Store:
        """Where they are."""
        ...


class Work:
    """A step, or steps in an order: what ``then``, ``chain`` and ``group`` make."""

    def then(self, work: Work) -> Chain:
        """This, and then that: its first steps wait for the last ones here, and get their results."""
        return chain(self, work)

    def _joins(self, *_: Any, connection: Any = None, **__: Any) -> bool | Spawn:
        return here(connection)

    def enqueue(self, *, connection: Any = None, durability: Durability | None = None) -> Flow:
        """Writes all of its jobs in one commit, or inside the caller's transaction on ``connection``.

        Raises:
            InvalidJob: a step comes after itself, or the steps belong to several apps. Nothing was written.
            StoreUnavailable: nothing was written.
            OutcomeUnknown: retry where the steps have idempotency keys.
        """
        steps = _wired(self)
        client = next(iter(steps)).client
        if any(step.client is not client for step in steps):
            raise InvalidJob(
                "expected steps of one app, got steps of several: their jobs are in other databases"
            )
        places = {step: place for place, step in enumerate(_in_order(steps))}
        jobs = [
            msgspec.structs.replace(step.job, follows=tuple(places[parent] for parent in steps[step]))
            for step in places
        ]
        told = client.submit(jobs, Options(connection=connection, durability=durability))
        return Flow(client.open_store, [told[places[step]].id for step in steps])

    aenqueue = asynchronous(enqueue, here=_joins)


class Step(Work):
    """One job to be: what ``step`` of a job function and of an app gives."""

    def __init__(self, client: Submits, job: NewJob) -> None:
        self.client = client
        self.job = job

    def __repr__(self) -> str:
        return f"<step {self.job.key!r}>"


class Chain(Work):
    """One after the other."""

    def __init__(self, parts: tuple[Work, ...]) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"<chain of {len(self.parts)}>"


class Group(Work):
    """Side by side."""

    def __init__(self, parts: tuple[Work, ...]) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"<group of {len(self.parts)}>"


def chain(*works: Work | Iterable[Work]) -> Chain:
    """One after the other: ``chain(fetch.step(), parse.step(), store.step())``.

    Raises:
        InvalidJob: there is none, or one is no step, chain or group.
    """
    parts: list[Work] = []
    for part in _parts("chain", works):
        parts += part.parts if isinstance(part, Chain) else [part]
    return Chain(tuple(parts))


def group(*works: Work | Iterable[Work]) -> Group:
    """Side by side: ``group(fetch.step(url) for url in urls)``. What comes ``then`` waits for all of them.

    Raises:
        InvalidJob: there is none, or one is no step, chain or group.
    """
    return Group(tuple(_parts("group", works)))


class Flow:
    """Jobs that were enqueued together: how far they are, and what is to become of them.

    ``ids`` are their ids, in the order in which the steps were written. A handle for jobs of earlier is
    ``app.flow(ids)``.
    """

    def __init__(self, store: Callable[[], Store], ids: Iterable[int]) -> None:
        self._store = store
        self.ids: tuple[int, ...] = tuple(ids)

    def __repr__(self) -> str:
        return f"<flow of {len(self.ids)} jobs>"

    def __len__(self) -> int:
        return len(self.ids)

    def jobs(self) -> list[Job]:
        """Its jobs as they stand, in order, without those that were deleted."""
        store = self._store()
        found: dict[int, Job] = {}
        for start in range(0, len(self.ids), _PAGE):
            page = self.ids[start : start + _PAGE]
            found |= {job.id: job for job in store.select(JobFilter(ids=page), limit=_PAGE)}
        return [found[job_id] for job_id in self.ids if job_id in found]

    def status(self) -> Tally:
        """How far it is: ``status().done`` of ``status().total``, and how many jobs stand where."""
        return self._store().tally(self.ids)

    def wait(self, timeout: Duration | None = None) -> Tally:
        """Waits until all are over, or none can go on by itself: what is left is held (``stuck``).

        Raises:
            TimeoutError: neither is so after ``timeout``, such as ``"10s"`` or seconds.
        """
        deadline = None if timeout is None else monotonic() + to_seconds(timeout, name="timeout")
        store = self._store().apart()
        bell = store.bell("watch")
        try:
            while True:
                bell.drain()
                begun = monotonic()
                tally = store.tally(self.ids)
                now = monotonic()
                if tally.done == tally.total or tally.stuck:
                    return tally
                if deadline is not None and now >= deadline:
                    raise TimeoutError(f"{tally.done} of {tally.total} jobs are over after {timeout}")
                _rest(bell.fileno(), now, now - begun, deadline)
        finally:
            bell.close()

    def cancel(self) -> dict[int, JobStatus]:
        """Cancels what is not over, and what waits for it; the status that each of its jobs then has."""
        return self._store().cancel(self.ids)

    def retry(self) -> list[int]:
        """Makes those that failed or were cancelled run again, and after them what waits for them; which."""
        again = (JobStatus.FAILED, JobStatus.CANCELLED)
        store = self._store()
        ended: list[int] = []
        for start in range(0, len(self.ids), _PAGE):
            where = JobFilter(ids=self.ids[start : start + _PAGE], status=again)
            ended += [job.id for job in store.select(where, limit=_PAGE)]
        return store.retry(ended)

    ajobs = asynchronous(jobs)
    astatus = asynchronous(status)
    await_ = asynchronous(wait)
    acancel = asynchronous(cancel)
    aretry = asynchronous(retry)


def _parts(what: str, works: Iterable[Any]) -> Iterable[Work]:
    parts: list[Any] = []
    for work in works:
        several = isinstance(work, Iterable) and not isinstance(work, Work)
        parts += cast("Iterable[Any]", work) if several else [work]
    for part in parts:
        if not isinstance(part, Work):
            raise InvalidJob(
                f"expected a {what} of steps, chains and groups, got {part!r:.80}: call step() where you "
                "would call enqueue()"
            )
    if not parts:
        raise InvalidJob(f"expected a {what} of at least one step, got none")
    return parts


def _wired(work: Work) -> dict[Step, dict[Step, None]]:
    """Each step, in the order written, with those that it waits for, in theirs."""
    parents: dict[Step, dict[Step, None]] = {}
    pairs = 0

    def wire(work: Work, before: list[Step]) -> list[Step]:
        nonlocal pairs
        if isinstance(work, Step):
            pairs += len(before)
            if pairs > _WAITS_MOST:
                raise InvalidJob(
                    f"expected at most {_WAITS_MOST:,} pairs of a step and one that it waits for, got more: "
                    "between two large groups, put one step that waits for the first and that the second "
                    "waits for"
                )
            parents.setdefault(work, {}).update(dict.fromkeys(before))
            return [work]
        if isinstance(work, Chain):
            for part in work.parts:
                before = wire(part, before)
            return before
        assert isinstance(work, Group)
        return [end for part in work.parts for end in wire(part, before)]

    wire(work, [])
    return parents


def _in_order(steps: dict[Step, dict[Step, None]]) -> Iterable[Step]:
    """Parents before children, as they are inserted."""
    try:
        return list(TopologicalSorter(steps).static_order())
    except CycleError as error:
        circle = " → ".join(step.job.key for step in error.args[1])
        raise InvalidJob(
            f"cyclic chain: {circle}: a step object is one job, and would wait for itself; for two jobs, "
            "call step() twice"
        ) from None


def _rest(fileno: int, now: float, looked_s: float, deadline: float | None) -> None:
    """Waits for a change, but not less than a look takes: many jobs are not counted at each change of one."""
    latest = now + _POLL_S if deadline is None else min(now + _POLL_S, deadline)
    wait_readable(fileno, latest)
    rest_s = min(now + _REST * looked_s, latest) - monotonic()
    if rest_s > 0:
        sleep(rest_s)


# ── why a job waits ──────────────────────────────────────────────────────────────────────────────
def explain_waiting(store: Store, job: Job) -> tuple[str, str]:
    """Why a job that waits for others does: a code and a sentence, as of ``jobs.why``."""
    parents = store.parents(job.id, incomplete=True, limit=_NAMED_MOST)
    lost = next((parent for parent in parents if _is_lost(parent)), None)
    if lost is not None or (job.hold is not None and not job.hold.startswith("waits for ")):
        return "held", f"it is held: {_lost(lost, job.hold)}; retry that one, or cancel this one"
    named = ", ".join(f"{parent.id} ({parent.key})" for parent in parents)
    more = (job.waits_for or 0) - len(parents)
    many = f"{job.waits_for:,} jobs: " if len(parents) > 1 else "job "
    sentence = f"it waits for {many}{named}{f' and {more:,} more' if more > 0 else ''}"
    cause = _cause(store, parents)
    return ("waiting", sentence) if cause is None else ("held", f"{sentence}; {cause}")


def _cause(store: Store, parents: list[Relative]) -> str | None:
    """What holds one of these, or one of those that they wait for."""
    waiting = list(parents)
    seen: set[int] = set()
    while waiting and len(seen) < _LOOKS_MOST:
        parent = waiting.pop()
        if parent.hold is None or parent.status is not JobStatus.PENDING or parent.id in seen:
            continue
        seen.add(parent.id)
        if not parent.waits_for or not parent.hold.startswith("waits for "):
            return f"job {parent.id} ({parent.key}) is held: {parent.hold}"
        above = store.parents(parent.id, incomplete=True, limit=_NAMED_MOST)
        lost = next((one for one in above if _is_lost(one)), None)
        if lost is not None:
            return f"job {parent.id} ({parent.key}) is held: {_lost(lost, None)}"
        waiting += above
    return None


def _is_lost(parent: Relative) -> bool:
    return parent.status in (None, JobStatus.FAILED, JobStatus.CANCELLED)


def _lost(parent: Relative | None, hold: str | None) -> str:
    # The reason in the row tells more; it is behind where a cascade of cancellations was cut short.
    if parent is None or (hold is not None and not hold.startswith("waits for ")):
        return hold or "one of its parents will not complete"
    if parent.status is None:
        return f"parent {parent.id} was deleted"
    return f"parent {parent.id} ({parent.key}) is {parent.status}"
