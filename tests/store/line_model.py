"""A small model of unique keys, and a machine that drives a store and the model through the same steps.

Written from what an enqueue promises: at most one job has a key; the others are in line behind it, in the
order in which they came, and each either follows it however it ends, waits for it to complete, or is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.store.conformance.steps import SECOND, claim, settlement
from tests.store.model_job import CANCELLED, COMPLETED, FAILED, PENDING, RUNNING
from windlass.job import JobStatus
from windlass.outcome import AnyOutcome, Cancelled, Completed, Failed, Released, Retried
from windlass.store.protocol import Claim, Inserted, NewJob, Store
from windlass.testing import ManualClock

Place = Literal["has it", "follows", "waits", "is held"]
TEXTS: dict[str, str] = {
    "follows": "it runs once the job that",
    "waits": "it runs once the jobs",
    "is held": "job ",
}
NAMES = st.sampled_from("uuuv")
POLICIES = st.sampled_from(["append", "append_or_replace", "replace", "keep", "update"])
OUTCOMES: st.SearchStrategy[AnyOutcome] = st.sampled_from(
    [
        Failed("no"),
        Completed(),
        Completed(),
        Cancelled("no"),
        Retried("no", 0),
        Retried("no", 3 * SECOND),
        Released("no"),
    ]
)


@dataclass
class Known:
    """One job as it should be."""

    id: int
    name: str
    payload: str
    made_at: int
    place: Place
    due: int | None = None
    status: JobStatus = PENDING
    has_run: bool = False
    asked: str | None = None
    reason: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status not in (PENDING, RUNNING)


class LineMachine(RuleBasedStateMachine):
    """The steps. A subclass gives ``open_store``."""

    open_store: ClassVar[Callable[[ManualClock], Store]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.store = type(self).open_store(self.clock)
        self.jobs: dict[int, Known] = {}
        self.claimed: dict[int, Claim] = {}

    def teardown(self) -> None:
        self.store.close()

    def holder(self, name: str) -> Known | None:
        return next((job for job in self.unfinished(name) if job.place == "has it"), None)

    def line(self, name: str) -> list[Known]:
        return [job for job in self.unfinished(name) if job.place != "has it"]

    def unfinished(self, name: str) -> list[Known]:
        return [job for _, job in sorted(self.jobs.items()) if job.name == name and not job.is_over]

    # ── enqueue ────────────────────────────────────────────────────────────────────────────────
    @rule(name=NAMES, some=st.lists(POLICIES, min_size=1, max_size=5), n=st.integers(0, 99))
    def enqueue_some(self, name: str, some: list[str], n: int) -> None:
        for existing in some:
            self.enqueue(name, existing, None, n)

    @rule(
        name=NAMES, existing=POLICIES, delay=st.sampled_from([None, None, 2 * SECOND]), n=st.integers(0, 99)
    )
    def enqueue(self, name: str, existing: Any, delay: int | None, n: int) -> None:
        job = NewJob(key="work", unique=name, existing=existing, payload=f'{{"n":{n}}}', delay_us=delay)
        (told,) = self.store.insert([job])
        there = self.unfinished(name)
        if not there:
            self.made(told, job, "has it", "created")
        elif existing == "keep":
            assert told[:2] + told[3:4] == (self.earliest(name).id, False, "kept")
        elif existing == "update":
            met = self.earliest(name)
            assert told[:2] + told[3:4] == (met.id, False, "updated")
            met.payload = str(job.payload)
            if met.status is PENDING and (delay or not met.has_run):
                met.due = self.clock.wall_us() + delay if delay else None
        elif existing == "replace":
            self.replaced(told, job)
        else:
            self.appended(told, job, anew=existing == "append_or_replace")

    def earliest(self, name: str) -> Known:
        return self.holder(name) or self.line(name)[0]

    def replaced(self, told: Inserted, job: NewJob) -> None:
        name = str(job.unique)
        for one in self.line(name):
            self.over(one, CANCELLED, "replaced")
        holder = self.holder(name)
        if holder is not None and holder.status is RUNNING:
            holder.asked = holder.asked or "replaced"
            self.made(told, job, "follows", "replaced")
            return
        if holder is not None:
            self.over(holder, CANCELLED, "replaced")
        self.made(told, job, "has it", "replaced")

    def appended(self, told: Inserted, job: NewJob, *, anew: bool) -> None:
        name = str(job.unique)
        if anew:
            for one in self.line(name):
                if one.place == "is held":
                    self.over(one, CANCELLED, "replaced")
        if not self.unfinished(name):
            self.made(told, job, "has it", "replaced")
            return
        line = self.line(name)
        self.made(told, job, "is held" if line and line[-1].place == "is held" else "waits", "appended")

    @rule(name=NAMES, most=st.sampled_from([None, 4 * SECOND]), n=st.integers(0, 99))
    def debounce(self, name: str, most: int | None, n: int) -> None:
        job = NewJob(
            key="work", unique=name, payload=f'{{"n":{n}}}', delay_us=2 * SECOND, debounce_us=2 * SECOND,
            debounce_most_us=most,
        )  # fmt: skip
        (told,) = self.store.insert([job])
        there = self.unfinished(name)
        if not there:
            self.made(told, job, "has it", "created")
        elif there[-1].status is RUNNING:
            self.made(told, job, "follows", "appended")
        else:
            last = there[-1]
            assert told[:2] + told[3:4] == (last.id, False, "debounced")
            last.payload = str(job.payload)
            now = self.clock.wall_us()
            due = now + 2 * SECOND if most is None else min(now + 2 * SECOND, last.made_at + most)
            if not last.has_run:
                last.due = due if due > now else None
            elif due > now and last.due is not None:
                last.due = max(last.due, due)
            elif last.due is None:
                last.due = due if due > now else None

    def made(self, told: Inserted, job: NewJob, place: Place, disposition: str) -> None:
        assert (told.created, told.disposition) == (True, disposition)
        assert told.job_id > max(self.jobs, default=0)
        now = self.clock.wall_us()
        due = now + job.delay_us if job.delay_us else None
        self.jobs[told.job_id] = Known(told.job_id, str(job.unique), str(job.payload), now, place, due)

    # ── what ends a job ────────────────────────────────────────────────────────────────────────
    def over(self, job: Known, status: JobStatus, reason: str | None = None) -> None:
        job.status, job.reason = status, reason

    def ended(self, job: Known, status: JobStatus, reason: str | None = None) -> None:
        self.over(job, status, reason)
        if job.place == "has it":
            self.passed_on(job.name, status)
        elif job.place != "is held":
            self.hold_behind(job)

    def passed_on(self, name: str, status: JobStatus) -> None:
        line = [one for one in self.line(name) if one.place != "is held"]
        if not line:
            return
        if line[0].place == "follows" or (line[0].place == "waits" and status is COMPLETED):
            line[0].place = "has it"
        elif line[0].place == "waits":
            for one in line:
                one.place = "is held"

    def hold_behind(self, job: Known) -> None:
        for one in self.line(job.name):
            if one.id > job.id:
                one.place = "is held"

    # ── dispatchers ────────────────────────────────────────────────────────────────────────────
    @rule(seconds=st.integers(0, 3))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.store.promote()
        for job in self.jobs.values():
            # What is in line is promoted once it has the key.
            if job.place == "has it" and job.due is not None and job.due <= self.clock.wall_us():
                job.due = None

    @precondition(lambda self: self.ready())
    @rule()
    def claim(self) -> None:
        claimed = claim(self.store)
        assert sorted(one.job_id for one in claimed) == sorted(job.id for job in self.ready())
        for one in claimed:
            job = self.jobs[one.job_id]
            assert one.payload == job.payload
            job.status, job.has_run = RUNNING, True
            self.claimed[one.job_id] = one

    def ready(self) -> list[Known]:
        free = [job for job in self.jobs.values() if job.status is PENDING and job.place == "has it"]
        return [job for job in free if job.due is None]

    @precondition(lambda self: self.ready())
    @rule(outcome=OUTCOMES)
    def work(self, outcome: AnyOutcome) -> None:
        """One after the other, as long as there is work, up to what does not simply complete."""
        self.claim()
        while ids := [job.id for job in self.jobs.values() if job.status is RUNNING]:
            self.settled([(self.claimed[job_id], outcome) for job_id in ids])
            if not isinstance(outcome, Completed) or not self.ready():
                return
            self.claim()

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), outcomes=st.lists(OUTCOMES, min_size=1, max_size=2))
    def settle(self, data: st.DataObject, outcomes: list[AnyOutcome]) -> None:
        """Also attempts that are over, and two of one turn."""
        some = st.sampled_from(sorted(self.claimed)).map(self.claimed.__getitem__)
        batch = [(data.draw(some), outcome) for outcome in outcomes]
        self.settled(batch)

    def settled(self, batch: list[tuple[Claim, AnyOutcome]]) -> None:
        self.store.settle_and_claim([settlement(one, outcome) for one, outcome in batch])
        ended: list[tuple[Known, JobStatus, str | None]] = []
        for one, outcome in batch:
            job = self.jobs.get(one.job_id)
            if job is None or job.status is not RUNNING or self.claimed[one.job_id] is not one:
                continue
            if job.asked and isinstance(outcome, (Retried, Released)):
                outcome = Cancelled("asked")
            match outcome:
                case Completed():
                    ended.append((job, COMPLETED, None))
                case Failed(_, reason):
                    ended.append((job, FAILED, reason))
                case Cancelled():
                    ended.append((job, CANCELLED, job.asked or "cancelled"))
                case Retried(_, delay_us):
                    job.status, job.due = PENDING, self.clock.wall_us() + delay_us if delay_us else None
                case _:
                    job.status, job.due = PENDING, None
            if ended and ended[-1][0] is job:
                self.over(*ended[-1])
        for job, status, reason in sorted(ended, key=lambda end: end[0].id):
            self.ended(job, status, reason)

    @rule()
    def reclaim(self) -> None:
        """Its dispatcher has died."""
        lost = [job for _, job in sorted(self.jobs.items()) if job.status is RUNNING]
        assert self.store.reclaim(1) == len(lost)
        for job in lost:
            job.status = PENDING
        for job in lost:
            if job.asked:
                self.ended(job, CANCELLED, job.asked)

    # ── people ─────────────────────────────────────────────────────────────────────────────────
    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        self.store.cancel([job.id])
        if job.status is PENDING:
            self.ended(job, CANCELLED, "cancelled")
        elif job.status is RUNNING:
            job.asked = job.asked or "cancelled"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        holder = self.holder(job.name)
        waits = job.status is PENDING and (job.place != "has it" or job.due is not None)
        may = (job.is_over or waits) and holder in (None, job)
        assert self.store.retry([job.id]) == ([job.id] if may else [])
        if not may:
            return
        job.status, job.place, job.due, job.asked, job.reason = PENDING, "has it", None, None, None
        for one in self.line(job.name):
            if one.id > job.id and one.place == "is held":
                one.place = "waits"

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        job = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        gone = job.status is not RUNNING
        assert self.store.delete([job.id]) == ([job.id] if gone else [])
        if gone:
            del self.jobs[job.id]
            if job.status is PENDING and job.place == "has it":
                self.passed_on(job.name, COMPLETED)

    # ── what holds at all times ────────────────────────────────────────────────────────────────
    @invariant()
    def every_job_is_as_the_model_says(self) -> None:
        for job in self.jobs.values():
            found = self.store.get(job.id)
            assert found is not None
            assert (found.status, found.reason, found.unique) == (job.status, job.reason, job.name)
            assert found.cancel_requested is bool(job.asked)
            if not job.is_over:
                assert found.payload == {"n": int(job.payload[5:-1])}
                assert found.in_line is (job.place != "has it")
                assert (found.hold or "").startswith(TEXTS.get(job.place, ""))
                assert (found.hold is None) is (job.place == "has it")

    @invariant()
    def at_most_one_has_a_key_and_nobody_waits_for_nobody(self) -> None:
        for name in "uv":
            having = [job for job in self.unfinished(name) if job.place == "has it"]
            assert len(having) <= 1
            assert self.store.holder_of(name) == next((job.id for job in having), None)
            if not having:
                assert {job.place for job in self.line(name)} <= {"is held"}
