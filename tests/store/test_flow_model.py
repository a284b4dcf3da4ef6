"""Random families of jobs, with failures, retries, cancels, deaths and deletions, against a small model.

The model counts nothing: a child that waits is free once all its parents have completed, and that is all it
knows. Whatever the store keeps to say so faster has to agree with it after each step.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.store.conformance.steps import accept_any, settlement
from windlass.job import JobStatus
from windlass.outcome import AnyOutcome, Cancelled, Completed, Failed, Released, Retried
from windlass.store.protocol import Claim, ClaimRequest, NewJob, Store
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock

PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
OVER = (COMPLETED, FAILED, CANCELLED)
ENDS: dict[type, JobStatus] = {Completed: COMPLETED, Failed: FAILED, Cancelled: CANCELLED}
CHOICE = st.lists(st.integers(0, 30), min_size=1, max_size=3)
"""Which jobs, by their places among those that are there."""


T = TypeVar("T")


@dataclass
class Model:
    """A job: where it stands, and for whom it was made to wait."""

    id: int
    parents: list[int]
    waits: bool
    status: JobStatus = PENDING
    token: int | None = None
    cancel_requested: bool = False
    children: list[int] = field(default_factory=list)
    passed: set[int] = field(default_factory=set)
    """Parents that were gone when it ran again, after it had got past them."""


class FlowMachine(RuleBasedStateMachine):
    """The steps. A subclass gives ``open_store``."""

    open_store: ClassVar[Callable[[ManualClock], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.store = type(self).open_store(ManualClock())
        self.jobs: dict[int, Model] = {}
        self.claimed: list[Claim] = []

    def teardown(self) -> None:
        self.store.close()

    # ── the steps ──────────────────────────────────────────────────────────────────────────────
    @rule(
        wishes=st.lists(
            st.tuples(st.lists(st.integers(0, 30), max_size=3), st.lists(st.integers(0, 3), max_size=3)),
            min_size=1,
            max_size=4,
        )
    )
    def insert(self, wishes: list[tuple[list[int], list[int]]]) -> None:
        jobs = [
            NewJob(
                key="work",
                after=tuple(self._chosen(after)),
                follows=tuple(dict.fromkeys(place for place in follows if place < index)),
            )
            for index, (after, follows) in enumerate(wishes)
        ]
        made = [one.job_id for one in self.store.insert(jobs, durability="fast")]
        for job_id, job in zip(made, jobs, strict=True):
            parents = [*dict.fromkeys(job.after), *(made[place] for place in job.follows)]
            model = self.jobs[job_id] = Model(job_id, parents, waits=False)
            model.waits = bool(self._incomplete(model))
            for parent in parents:
                self.jobs[parent].children.append(job_id)

    @rule(limit=st.integers(1, 5))
    def claim(self, limit: int) -> None:
        ready = {job.id for job in self.jobs.values() if job.status is PENDING and not job.waits}
        request = ClaimRequest(1, limit, dict.fromkeys(self.store.lanes(), limit), accept_any)
        claimed = self.store.settle_and_claim([], request).claimed
        assert {one.job_id for one in claimed} <= ready
        assert len(claimed) == min(limit, len(ready))
        for one in claimed:
            self.jobs[one.job_id].status = RUNNING
            self.jobs[one.job_id].token = one.token
        self.claimed += claimed

    @rule(
        many=st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True),
        outcome=st.sampled_from(
            [Completed(), Completed("1"), Failed("no"), Cancelled("no"), Retried("x", 0),
             Released("x")]
        ),
    )  # fmt: skip
    def settle(self, many: list[int], outcome: AnyOutcome) -> None:
        chosen = self._of(self.claimed, many)
        self.claimed = [one for one in self.claimed if one not in chosen]
        turn = self.store.settle_and_claim([settlement(one, outcome) for one in chosen])
        stale = {id(one) for one in chosen if not self._owns(one)}
        assert len(turn.stale) == len(stale)
        for one in chosen:
            if id(one) not in stale:
                self._settled(one.job_id, outcome)

    @rule()
    def work(self) -> None:
        """All that is ready is done."""
        before = len(self.claimed)
        self.claim(100)
        self.settle(list(range(before, len(self.claimed))), Completed("3"))

    @rule(place=st.integers(0, 30))
    def complete_in_a_transaction(self, place: int) -> None:
        for one in self._of(self.claimed, [place]):
            self.claimed.remove(one)
            self._complete_in_a_transaction(one)

    def _complete_in_a_transaction(self, one: Claim) -> None:
        connection = self.store.connect()
        self.store.begin(connection)
        owned = self.store.complete_on(connection, settlement(one, Completed("1")))
        self.store.commit(connection)
        self.store.disconnect(connection)
        assert owned is self._owns(one)
        if owned:
            self._settled(one.job_id, Completed("1"))

    @rule()
    def die(self) -> None:
        """The dispatcher dies; what it ran comes back, and its late results are worth nothing."""
        self.store.reclaim(1)
        for job in self.jobs.values():
            if job.status is RUNNING:
                self._settled(job.id, Released("died"))

    @rule(which=CHOICE)
    def cancel(self, which: list[int]) -> None:
        chosen = self._chosen(which)
        self.store.cancel(chosen)
        for job_id in chosen:
            self._cancel(self.jobs[job_id])

    @rule(which=CHOICE, anything=st.booleans())
    def retry(self, which: list[int], anything: bool) -> None:
        over = [job.id for job in self.jobs.values() if job.status in OVER]
        chosen = self._chosen(which) if anything else self._of(over, which)
        again = sorted(job_id for job_id in chosen if self.jobs[job_id].status in OVER)
        assert self.store.retry(chosen) == again
        for job_id in again:
            self.jobs[job_id].status = PENDING
            self.jobs[job_id].cancel_requested = False
        for job_id in again:
            job = self.jobs[job_id]
            if not job.waits:
                job.passed |= {parent for parent in job.parents if parent not in self.jobs}
            job.waits = bool(self._incomplete(job))

    @rule(which=CHOICE)
    def delete(self, which: list[int]) -> None:
        chosen = self._chosen(which)
        gone: list[int] = []
        for job_id in sorted(chosen, reverse=True):
            if self._may_go(self.jobs[job_id]):
                gone.append(job_id)
                del self.jobs[job_id]
        assert self.store.delete(chosen) == sorted(gone)

    @rule()
    def prune(self) -> None:
        doomed = {job.id for job in self.jobs.values() if job.status in OVER and self._may_go(job)}
        while self.store.prune(older_than_us=0, keep=0):
            pass
        left = {job_id for job_id in self.jobs if self.store.get(job_id) is not None}
        assert left == set(self.jobs) - doomed
        for job_id in doomed:
            del self.jobs[job_id]

    # ── the claims ─────────────────────────────────────────────────────────────────────────────
    @invariant()
    def every_job_stands_where_the_model_has_it(self) -> None:
        for job in self.jobs.values():
            real = self.store.get(job.id)
            assert real is not None
            assert real.status is job.status, job
            if job.status is PENDING:
                assert (real.hold is not None) is job.waits, (job, real.hold)
            if job.waits and not self._is_complete(job):
                # Of parents that are gone it is only kept whether one of them is in the way.
                assert (real.waits_for or 0) >= len(self._incomplete(job)), (job, real)
            elif job.waits:
                assert real.waits_for == len(self._incomplete(job)), (job, real)
            else:
                assert not real.waits_for

    @invariant()
    def whoever_waits_says_for_whom(self) -> None:
        for job in self.jobs.values():
            if job.status is PENDING and job.waits:
                real = self.store.get(job.id)
                assert real is not None
                waiting = len(self._incomplete(job))
                plain = f"waits for {waiting} job{'' if waiting == 1 else 's'}"
                told = [
                    reason for parent in self._incomplete(job) if (reason := self._lost(parent)) is not None
                ]
                if not self._is_complete(job) and real.waits_for != waiting:
                    told += [f"parent {one} was deleted" for one in job.passed]
                assert real.hold in (told or [plain]), (job, real.hold)

    # ── the model ──────────────────────────────────────────────────────────────────────────────
    def _chosen(self, places: list[int]) -> list[int]:
        # The newest first: they are where something still happens.
        return self._of(sorted(self.jobs, reverse=True), places)

    def _of(self, there: list[T], places: list[int]) -> list[T]:
        return list(dict.fromkeys(there[place % len(there)] for place in places)) if there else []

    def _incomplete(self, job: Model) -> list[int]:
        return [
            one
            for one in job.parents
            if (one not in job.passed if one not in self.jobs else self.jobs[one].status is not COMPLETED)
        ]

    def _is_complete(self, job: Model) -> bool:
        return all(parent in self.jobs for parent in job.parents)

    def _lost(self, parent: int) -> str | None:
        if parent not in self.jobs:
            return f"parent {parent} was deleted"
        match self.jobs[parent].status:
            case JobStatus.FAILED:
                return f"parent {parent} (work) FAILED: no"
            case JobStatus.CANCELLED:
                return f"parent {parent} (work) was CANCELLED"
            case _:
                return None

    def _owns(self, one: Claim) -> bool:
        job = self.jobs.get(one.job_id)
        return job is not None and job.status is RUNNING and job.token == one.token

    def _settled(self, job_id: int, outcome: AnyOutcome) -> None:
        job = self.jobs[job_id]
        job.status = ENDS.get(type(outcome), CANCELLED if job.cancel_requested else PENDING)
        if job.status is COMPLETED:
            for child in job.children:
                there = self.jobs.get(child)
                if there is not None and there.waits and not self._incomplete(there):
                    there.waits = False

    def _cancel(self, job: Model) -> None:
        if job.status is PENDING:
            job.status = CANCELLED
        elif job.status is RUNNING:
            job.cancel_requested = True
        if job.status is not COMPLETED:
            for child in job.children:
                there = self.jobs.get(child)
                if there is not None and there.status is PENDING and there.waits:
                    self._cancel(there)

    def _may_go(self, job: Model) -> bool:
        children = [self.jobs[child] for child in job.children if child in self.jobs]
        return job.status is not RUNNING and all(child.status in OVER for child in children)


class SqliteFlowMachine(FlowMachine):
    """On a real file, in memory where there is such a place."""

    @staticmethod
    def open_store(clock: ManualClock) -> Store:
        shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
        store = SqliteStore(Path(tempfile.mkdtemp(prefix="windlass-flow-", dir=shared)) / "app.db", clock)
        store.migrate()
        return store

    def teardown(self) -> None:
        super().teardown()
        assert isinstance(self.store, SqliteStore)
        shutil.rmtree(Path(self.store.path).parent)


SqliteFlowMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFlows = SqliteFlowMachine.TestCase
