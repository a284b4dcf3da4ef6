"""One model of jobs, and a machine that drives a store and the model through the same steps.

A second store is put through it by one subclass that says how to open it: see ``test_model.py``. The model is
written from the promises, not from any store: what a job is, what each verb may do to it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.store.conformance.steps import SECOND, accept_any, settlement
from tests.store.model_job import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING, ModelJob
from windlass.clock import to_wall_us
from windlass.job import FINAL, JobStatus
from windlass.outcome import (
    AnyOutcome,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Quarantined,
    Released,
    Retried,
    Snoozed,
)
from windlass.store.protocol import Claim, ClaimRequest, JobFilter, Lane, NewJob, Store
from windlass.testing import ManualClock

OUTCOMES: st.SearchStrategy[AnyOutcome] = st.one_of(
    st.builds(Completed, st.sampled_from([None, "1"])),
    st.builds(Retried, st.just("boom"), st.sampled_from([0, 2 * SECOND])),
    st.builds(Snoozed, st.just("later"), st.sampled_from([0, 3 * SECOND])),
    st.builds(Cancelled, st.just("unwanted")),
    st.builds(Failed, st.just("no"), st.sampled_from(["permanent", "exhausted", "timeout"])),
    st.builds(Crashed, st.just("died"), st.booleans()),
    st.builds(Released, st.just("stopped"), st.booleans()),
    st.builds(Quarantined, st.just("unreadable")),
)


class StoreMachine(RuleBasedStateMachine):
    """The steps. A subclass gives ``open_store``."""

    open_store: ClassVar[Callable[[ManualClock], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = type(self).open_store(self.clock)
        self.jobs: dict[int, ModelJob] = {}
        self.newest_id = 0
        self.claimed: list[Claim] = []
        self.switches: dict[str, tuple[bool, int | None]] = {}
        self.set_limits: dict[str, int | None] = {}
        self.declared_limits: dict[str, int | None] = {}

    @initialize()
    def begin_empty(self) -> None:
        assert self.store.counts() == dict.fromkeys(JobStatus, 0)

    def teardown(self) -> None:
        self.store.close()

    # ── producers ──────────────────────────────────────────────────────────────────────────────
    @rule(
        key=st.sampled_from("ab"),
        queue=st.sampled_from(["default", "mail"]),
        priority=st.integers(-1, 1),
        max_attempts=st.integers(1, 3),
        when=st.sampled_from([None, "delay", "date"]),
        seconds=st.integers(-2, 5),
        idempotency_key=st.sampled_from([None, None, "x", "y"]),
        unique=st.sampled_from([None, None, "u", "v"]),
        constraints=st.sampled_from([None, None, '{"charging":true}', '{"network":"connected"}']),
        copies=st.integers(1, 3),
    )
    def insert(
        self, key: str, queue: str, priority: int, max_attempts: int, when: str | None, seconds: int,
        idempotency_key: str | None, unique: str | None, constraints: str | None, copies: int,
    ) -> None:  # fmt: skip
        wall = self.clock.wall_us()
        delay = max(seconds, 0) * SECOND if when == "delay" else None
        date = wall + seconds * SECOND if when == "date" else None
        job = NewJob(
            key=key, queue=queue, priority=priority, max_attempts=max_attempts, delay_us=delay,
            run_at_us=date, idempotency_key=idempotency_key, unique=unique,
            constraints=constraints,
        )  # fmt: skip
        for told in self.store.insert([job] * (1 if idempotency_key else copies)):
            kept = [
                known
                for known in self.jobs.values()
                if idempotency_key and (known.key, known.idempotency_key) == (key, idempotency_key)
            ] or [known for known in self.jobs.values() if known.is_in_the_way_of(unique)]
            assert told.created is not bool(kept)
            if kept:
                assert told.job_id == kept[0].id
                continue
            assert told.job_id > self.newest_id
            self.newest_id = told.job_id
            made = ModelJob(
                told.job_id, key, queue, priority, max_attempts, idempotency_key, unique, constraints
            )
            if delay:
                self.put_off(made, delay)
            elif date is not None and date > wall:
                made.due_wall = date
            self.jobs[told.job_id] = made

    # ── dispatchers ────────────────────────────────────────────────────────────────────────────
    @rule(
        owner=st.integers(1, 2),
        limit=st.integers(0, 4),
        cap=st.integers(0, 3),
        unknown=st.sampled_from([None, "a", "b"]),
        blocked=st.sampled_from([None, '{"charging":true}', '{"network":"connected"}']),
    )
    def claim(self, owner: int, limit: int, cap: int, unknown: str | None, blocked: str | None) -> None:
        lanes = [lane for lane in self.store.lanes() if lane.key != unknown]
        lanes = [lane for lane in lanes if lane.constraints is None or lane.constraints != blocked]
        expected = self.expected_claim(lanes, limit, cap)
        request = ClaimRequest(owner, limit, dict.fromkeys(lanes, cap), accept_any)
        claimed = self.store.settle_and_claim([], request).claimed
        assert [one.job_id for one in claimed] == [job.id for job in expected]
        for one, job in zip(claimed, expected, strict=True):
            job.becomes(RUNNING, attempts=job.attempts + 1, owner=owner, token=one.token)
            assert (one.key, one.queue, one.attempt, one.alone) == (
                job.key,
                job.queue,
                job.attempts,
                job.alone,
            )
            assert (one.max_attempts, one.crashes) == (job.max_attempts, job.crashes)
        self.claimed += claimed

    def expected_claim(self, lanes: list[Lane], limit: int, cap: int) -> list[ModelJob]:
        best: list[ModelJob] = []
        for lane in lanes:
            inside = [job for job in self.jobs.values() if job.is_ready and job.lane == lane]
            best += sorted(inside, key=lambda job: (-job.priority, job.id))[: min(cap, limit)]
        now_running = [job for job in self.jobs.values() if job.status is RUNNING]
        chosen: list[ModelJob] = []
        for job in sorted(best, key=lambda job: (-job.priority, job.id)):
            if len(chosen) < limit and self.has_room(job, now_running + chosen):
                chosen.append(job)
        return chosen

    def has_room(self, job: ModelJob, running: list[ModelJob]) -> bool:
        paused, of_queue = self.switches.get(job.queue, (False, None))
        of_key = self.set_limits.get(job.key, self.declared_limits.get(job.key))
        return not paused and not (
            (of_queue is not None and sum(one.queue == job.queue for one in running) >= of_queue)
            or (of_key is not None and sum(one.key == job.key for one in running) >= of_key)
        )

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), outcomes=st.lists(OUTCOMES, min_size=1, max_size=3))
    def settle(self, data: st.DataObject, outcomes: list[AnyOutcome]) -> None:
        """Some of the latest attempts, in whatever state they are by now: late and double results, too."""
        self.settle_all([(data.draw(st.sampled_from(self.claimed[-8:])), outcome) for outcome in outcomes])

    def settle_all(self, batch: list[tuple[Claim, AnyOutcome]]) -> None:
        turn = self.store.settle_and_claim([settlement(one, outcome) for one, outcome in batch])
        assert not turn.unsettled
        stale: list[int] = []
        for one, outcome in batch:
            job = self.jobs.get(one.job_id)
            owned = job is not None and (job.status, job.attempts, job.token) == (
                RUNNING,
                one.attempt,
                one.token,
            )
            if job is None or not owned:
                stale.append(one.job_id)
            else:
                self.apply(job, outcome)
        assert [late.job_id for late in turn.stale] == stale

    def apply(self, job: ModelJob, outcome: AnyOutcome) -> None:
        if job.cancel_requested and isinstance(outcome, (Retried, Snoozed, Released, Quarantined, Crashed)):
            outcome = Cancelled("asked")
        match outcome:
            case Completed():
                job.becomes(COMPLETED, finished_at=self.clock.wall_us())
            case Cancelled():
                job.history.append("cancelled")
                job.becomes(CANCELLED, finished_at=self.clock.wall_us(), reason="cancelled")
            case Failed(error, reason):
                job.history.append("failed")
                job.becomes(FAILED, finished_at=self.clock.wall_us(), reason=reason, last_error=error)
            case Retried(error, delay_us, alone):
                job.history.append("retried")
                job.becomes(PENDING, last_error=error, alone=alone)
                self.put_off(job, delay_us)
            case Snoozed(_, delay_us):
                job.history.append("snoozed")
                job.becomes(PENDING, attempts=job.attempts - 1, alone=False)
                self.put_off(job, delay_us)
            case Released(_, alone):
                job.becomes(PENDING, attempts=job.attempts - 1, alone=job.alone or alone)
            case Quarantined(reason):
                job.history.append("held")
                job.becomes(PENDING, attempts=job.attempts - 1, hold=reason)
            case Crashed(error, sole):
                job.history.append("crashed")
                self.crash(job, error, sole=sole)
            case _:
                raise AssertionError(outcome)

    def crash(self, job: ModelJob, error: str, *, sole: bool) -> None:
        exhausted = job.attempts >= job.max_attempts
        crashes = job.crashes + sole
        if sole and (exhausted or crashes == 3):
            now = self.clock.wall_us()
            job.becomes(FAILED, finished_at=now, reason="crashed", last_error=error, crashes=crashes)
        else:
            attempts = job.attempts - exhausted
            job.becomes(PENDING, attempts=attempts, alone=True, crashes=crashes, last_error=error)

    def put_off(self, job: ModelJob, delay_us: int) -> None:
        if delay_us:
            job.due_wall, job.due_boot = self.clock.wall_us() + delay_us, self.clock.boot_us() + delay_us
            job.boot = self.clock.boot_id()

    # ── upkeep ─────────────────────────────────────────────────────────────────────────────────
    @rule(owner=st.integers(1, 2))
    def reclaim(self, owner: int) -> None:
        lost = [job for job in self.jobs.values() if job.status is RUNNING and job.owner == owner]
        assert self.store.reclaim(owner) == len(lost)
        for job in lost:
            job.history.append("lost")
            job.becomes(PENDING, attempts=job.attempts - 1, alone=True, reason=None)
            if job.cancel_requested:
                job.becomes(CANCELLED, finished_at=self.clock.wall_us(), reason="cancelled")

    @rule()
    def promote(self) -> None:
        waiting = [
            job for job in self.jobs.values() if job.status is PENDING and job.due_wall and not job.hold
        ]
        due = [job for job in waiting if job.is_due(self.clock)]
        later = [job.wait_us(self.clock) for job in waiting if job not in due]
        assert self.store.promote() == (len(due), min(later, default=None))
        for job in due:
            job.due_wall = job.due_boot = job.boot = None

    @rule(seconds=st.integers(1, 4))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.integers(-4, 4))
    def jump(self, seconds: int) -> None:
        self.clock.jump(self.clock.now + timedelta(seconds=seconds))

    @rule()
    def reboot(self) -> None:
        self.clock.reboot()

    @rule(age=st.integers(0, 6), keep=st.integers(0, 4))
    def prune(self, age: int, keep: int) -> None:
        while self.store.prune(older_than_us=age * SECOND, keep=keep, limit=2):
            pass
        horizon = self.clock.wall_us() - age * SECOND
        for status in FINAL:
            ended = [job for job in self.jobs.values() if job.status is status]
            newest = sorted(ended, key=lambda job: (job.finished_at or 0, job.id), reverse=True)
            for place, job in enumerate(newest):
                if place >= keep or (job.finished_at or 0) < horizon:
                    del self.jobs[job.id]

    # ── the job manager ────────────────────────────────────────────────────────────────────────
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        found = self.some_ids(data)
        told = self.store.cancel(found)
        for job in self.existing(found):
            if job.status is PENDING:
                job.becomes(CANCELLED, finished_at=self.clock.wall_us(), reason="cancelled")
            elif job.status is RUNNING:
                job.cancel_requested = True
        assert told == {job.id: job.status for job in self.existing(found)}

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        found = self.some_ids(data)
        changed = self.store.retry(found)
        expected: list[int] = []
        for job in self.existing(sorted(found)):
            rivals = [one.id for one in self.jobs.values() if one.is_in_the_way_of(job.unique)]
            if not {*rivals} <= {job.id}:
                continue
            if job.status in FINAL or (job.status is PENDING and (job.hold or job.due_wall)):
                expected.append(job.id)
                allowed = max(job.max_attempts, job.attempts + 1)
                job.becomes(
                    PENDING, hold=None, due_wall=None, due_boot=None, boot=None, alone=False, crashes=0,
                    cancel_requested=False, finished_at=None, reason=None, max_attempts=allowed,
                )  # fmt: skip
        assert changed == expected

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        found = self.some_ids(data)
        gone = [job.id for job in self.existing(sorted(found)) if job.status is not RUNNING]
        assert self.store.delete(found) == gone
        for job_id in gone:
            del self.jobs[job_id]

    @rule(
        queue=st.sampled_from(["default", "mail"]),
        paused=st.booleans(),
        concurrency=st.sampled_from([None, None, 1, 2]),
    )
    def switch(self, queue: str, paused: bool, concurrency: int | None) -> None:
        self.store.set_queue(queue, paused=paused, concurrency=concurrency)
        self.switches[queue] = (paused, concurrency)
        told = {name: (state.paused, state.concurrency) for name, state in self.store.switches().items()}
        assert told == {name: both for name, both in self.switches.items() if both != (False, None)}

    @rule(
        key=st.sampled_from("ab"),
        declared=st.booleans(),
        concurrency=st.sampled_from([None, 1, 2]),
        lifted=st.booleans(),
    )
    def limit(self, key: str, declared: bool, concurrency: int | None, lifted: bool) -> None:
        kind, limits = ("declared", self.declared_limits) if declared else ("key", self.set_limits)
        if lifted:
            assert self.store.lift_limit(kind, key) is (key in limits)
            limits.pop(key, None)
        else:
            self.store.set_limit(kind, key, concurrency=concurrency)
            limits[key] = concurrency

    def some_ids(self, data: st.DataObject) -> list[int]:
        there = [*self.jobs, self.newest_id + 1]
        return data.draw(st.lists(st.sampled_from(there), max_size=3, unique=True))

    def existing(self, ids: list[int]) -> list[ModelJob]:
        return [self.jobs[job_id] for job_id in ids if job_id in self.jobs]

    # ── what holds at all times ────────────────────────────────────────────────────────────────
    @invariant()
    def every_job_is_as_the_model_says(self) -> None:
        found = self.store.select(JobFilter(), order="id", limit=10_000)
        assert [job.id for job in found] == sorted(self.jobs)
        for job in found:
            model = self.jobs[job.id]
            assert (job.status, job.attempts, job.max_attempts) == (
                model.status, model.attempts, model.max_attempts,
            )  # fmt: skip
            assert (job.hold, job.reason, job.crashes) == (model.hold, model.reason, model.crashes)
            assert (job.cancel_requested, job.last_error) == (model.cancel_requested, model.last_error)
            assert (job.finished_at is None) == (model.finished_at is None)
            if job.status is PENDING:
                assert (job.run_at and to_wall_us(job.run_at)) == model.due_wall
            assert job.attempts <= job.max_attempts or job.status is not PENDING

    @invariant()
    def a_unique_key_has_at_most_one_unfinished_job(self) -> None:
        for name in ("u", "v"):
            unfinished = [job.id for job in self.jobs.values() if job.is_in_the_way_of(name)]
            assert len(unfinished) <= 1
            assert self.store.holder_of(name) == next(iter(unfinished), None)

    @invariant()
    def counts_lanes_and_queues_agree(self) -> None:
        jobs = list(self.jobs.values())
        assert self.store.counts() == {status: sum(j.status is status for j in jobs) for status in JobStatus}
        assert set(self.store.lanes()) == {job.lane for job in jobs if job.is_ready}
        running: dict[str, int] = {}
        for job in jobs:
            if job.status is RUNNING:
                running[job.queue] = running.get(job.queue, 0) + 1
        assert self.store.running_by_queue() == running
        for owner in (1, 2):
            asked = [j.id for j in jobs if j.status is RUNNING and j.cancel_requested and j.owner == owner]
            assert sorted(self.store.cancellations(owner)) == asked

    @invariant()
    def history_tells_what_went_wrong(self) -> None:
        for job in self.jobs.values():
            assert [attempt.outcome for attempt in self.store.attempts(job.id)] == job.history
