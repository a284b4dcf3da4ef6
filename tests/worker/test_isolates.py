"""Isolates: what they are given, what is taken back, and how one is replaced."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import Rig
from windlass import JobStatus
from windlass.worker import isolates as isolates_module
from windlass.worker import upkeep
from windlass.worker.child import Child

ONCE = {"max_attempts": 1}


def test_jobs_run_in_child_processes(rig: Rig):
    crew = rig.crew(isolates=2)
    ids = [rig.enqueue("quick", n=n) for n in range(50)]
    assert [job.result for job in rig.ended(*ids)] == list(range(50))
    assert rig.ended(rig.enqueue("nap", ms=1))[0].result in crew.isolates()


def test_sync_jobs_run_one_at_a_time_and_async_ones_beside_each_other(rig: Rig):
    rig.crew()
    sync = [rig.enqueue("nap", ms=20, name="sync") for _ in range(5)]
    asynchronous = [rig.enqueue("agated", name="async") for _ in range(10)]
    until(lambda: len(rig.diary("start", "async")) == 10)
    rig.ended(*sync)
    rig.open("async")
    rig.ended(*asynchronous)
    moments = [entry["what"] for entry in rig.diary(name="sync")]
    assert moments == ["start", "end"] * 5


# ── honest prefetch ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.alone
def test_neither_isolate_idles_while_work_waits_and_only_started_jobs_show_running(rig: Rig):
    """Forty jobs of 100 ms on two isolates."""
    crew = rig.crew(isolates=2, poll_s=30.0)
    running: list[int] = []
    rig.enqueue_many("nap", [{"ms": 100, "name": f"{n}"} for n in range(40)])
    until(lambda: rig.diary("start"))
    began = time.monotonic()
    while (counts := rig.jobs.counts())[JobStatus.COMPLETED] < 40:
        running.append(counts[JobStatus.RUNNING])
    took_s = time.monotonic() - began
    assert max(running) <= 2
    # Between the end of a job and the start of the next one an isolate waits only for a turn: a few ms, and
    # more where the machine is busy with something else.
    gaps = [gap for pid in crew.isolates() for gap in gaps_of(rig.diary(), pid)]
    print(
        f"40 jobs of 100 ms on two isolates: {took_s:.2f} s, idle between jobs {median(gaps) * 1000:.1f} ms"
    )
    assert median(gaps) < 0.1


def gaps_of(diary: list[dict[str, Any]], pid: int) -> list[float]:
    """How long a process stood between the end of one job and the start of the next."""
    own = [entry for entry in diary if entry["pid"] == pid and entry["what"] in ("start", "end")]
    return [later["at"] - earlier["at"] for earlier, later in zip(own[1::2], own[2::2], strict=False)]


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def test_a_new_job_of_high_priority_starts_next(rig: Rig):
    rig.crew()
    rig.enqueue_many("gated", [{"name": name} for name in "abc"])
    rig.begun("a")
    urgent = rig.enqueue("gated", name="urgent", options={"priority": 9})
    for name in ("a", "urgent", "b", "c"):
        rig.open(name)
    rig.ended(urgent)
    until(lambda: len(rig.diary("start")) == 4)
    assert [entry["name"] for entry in rig.diary("start")] == ["a", "urgent", "b", "c"]


def test_nothing_waits_behind_a_job_of_unknown_length(rig: Rig):
    rig.crew()
    rig.enqueue_many("gated", [{"name": "long"}] * 1 + [{"name": "next"}] * 5)
    rig.begun("long")
    assert rig.jobs.counts()[JobStatus.RUNNING] == 1
    assert rig.jobs.counts()[JobStatus.PENDING] == 5


def test_what_was_handed_out_ahead_is_recalled_from_behind_a_slow_job_and_runs_elsewhere(rig: Rig):
    crew = rig.crew(isolates=2)
    rig.ended(*rig.enqueue_many("usually_quick", [{}] * 200))
    [slow, *others] = rig.enqueue_many("usually_quick", [{"name": "slow"}] + [{}] * 99)
    busy = rig.begun("slow")
    [other] = set(crew.isolates()) - {busy}
    assert {job.result for job in rig.ended(*others)} == {other}
    assert rig.status(slow) == JobStatus.RUNNING
    rig.open("slow")
    assert rig.ended(slow)[0].attempts == 1
    assert {rig.job(job_id).attempts for job_id in others} == {1}
    assert rig.rows("SELECT count(*) FROM windlass_attempts") == [(0,)]


def test_jobs_behind_a_slow_one_are_not_handed_out_and_recalled_in_a_circle(rig: Rig):
    crew = rig.crew()
    rig.ended(*rig.enqueue_many("usually_quick", [{}] * 200))
    rig.enqueue_many("usually_quick", [{"name": "slow"}] + [{}] * 50)
    rig.begun("slow")
    until(lambda: rig.jobs.counts()[JobStatus.RUNNING] == 1)
    before = crew.on_its_thread(lambda: crew.dispatcher._upkeep.commits)
    rig.enqueue_many("usually_quick", [{}] * 50)
    until(lambda: rig.jobs.counts()[JobStatus.PENDING] == 100)
    # A circle makes a turn every ten milliseconds at least.
    until(after(0.3))
    assert crew.on_its_thread(lambda: crew.dispatcher._upkeep.commits) - before <= 4
    assert rig.jobs.counts()[JobStatus.RUNNING] == 1
    rig.open("slow")


def after(seconds: float) -> Any:
    """True once so much time has passed: for what must *not* happen meanwhile."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def test_what_a_stuck_isolate_does_not_start_runs_elsewhere_and_counts_no_timeout(rig: Rig):
    """A C call that holds the GIL in an async handler keeps the isolate's own thread from starting a job."""
    crew = rig.crew("faults", isolates=2)
    holder = rig.enqueue("aholding_the_gil", seconds=1.5, name="holder")
    busy = rig.begun("holder")
    [other] = set(crew.isolates()) - {busy}
    ids = [rig.enqueue("innocent", name="i", options={"timeout": "200ms"}) for _ in range(6)]
    assert {job.result for job in rig.ended(*ids)} == {other}
    assert {job.attempts for job in rig.ended(*ids)} == {1}
    assert rig.ended(holder)[0].status == JobStatus.COMPLETED
    # Once it answers it is trusted again.
    until(lambda: rig.ended(*[rig.enqueue("innocent") for _ in range(4)])[0].result and responsive(crew) == 2)


def responsive(crew: Any) -> int:
    return sum(not child.deaf for child in crew.pool._children)


def test_async_jobs_that_a_blocked_event_loop_does_not_start_run_elsewhere(rig: Rig):
    """A forgotten synchronous call in an async handler: the service stays alive around it."""
    crew = rig.crew(isolates=2)
    blocking = rig.enqueue("ablocking", name="blocker", seconds=1.5)
    busy = rig.begun("blocker")
    [other] = set(crew.isolates()) - {busy}
    ids = [rig.enqueue("anap", ms=1) for _ in range(20)]
    assert {job.result for job in rig.ended(*ids)} == {other}
    assert rig.ended(rig.enqueue("quick", n=1))[0].result == 1
    assert rig.ended(blocking)[0].result == busy
    until(lambda: not any(child.loop_blocked for child in crew.pool._children))


# ── large payloads, progress ───────────────────────────────────────────────────────────────────────
def test_a_payload_larger_than_a_sockets_buffer_goes_through_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    # Without a nudge of its own it would wait for the next step of upkeep: here there is none.
    for step in ("_SEAL_S", "_CHECKPOINT_S", "_RECLAIM_S", "BEAT_S"):
        monkeypatch.setattr(upkeep, step, 3600.0)
    rig.crew()
    for _ in range(3):
        assert rig.ended(rig.enqueue("length", text="x" * 1_000_000))[0].result == 1_000_000


def test_the_last_progress_note_arrives_before_the_end_and_the_latest_while_it_runs(rig: Rig):
    rig.crew()
    job_id = rig.enqueue("telling", notes=1000, gate="told")
    until(lambda: (p := rig.job(job_id).progress) and p.done == 1000)
    assert rig.status(job_id) == JobStatus.RUNNING
    rig.open("told")
    done = rig.ended(job_id)[0].progress
    assert done is not None
    assert (done.done, done.total, done.message) == (1000, 1000, "note 1000")


def test_a_note_that_comes_while_its_isolate_is_heard_is_not_overtaken_by_the_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    rig.crew()
    job_id = rig.enqueue("telling_later", name="t")
    rig.begun("t")
    messages = Child.messages

    def too_soon(child: Child) -> Iterator[list[Any]]:
        said = list(messages(child))
        if not Path(rig.folder, "gate-t").exists():
            rig.open("t")
            rig.open("t-end")
            assert select.select([child.process.jobs], [], [], 20)[0]
        return iter(said)

    monkeypatch.setattr(Child, "messages", too_soon)
    rig.app.store.ring()
    done = rig.ended(job_id)[0].progress
    assert done is not None
    assert done.done == 1


def test_a_watcher_sees_progress_as_it_happens(rig: Rig):
    rig.crew()
    job_id = rig.enqueue("telling", notes=3, gate="told")
    with rig.jobs.watch(job_id) as changes:
        until(lambda: (job := changes.next()) and job.progress and job.progress.done == 3)
        rig.open("told")
        until(lambda: (job := changes.next()) and job.status == JobStatus.COMPLETED)


# ── recycling ──────────────────────────────────────────────────────────────────────────────────────
def test_an_isolate_is_replaced_after_its_jobs_also_under_load(rig: Rig):
    crew = rig.crew(isolates=2, recycle_after_jobs=20)
    ids = rig.enqueue_many("where_am_i", [{}] * 60)
    by_pid: dict[int, int] = {}
    for job in rig.ended(*ids):
        by_pid[job.result] = by_pid.get(job.result, 0) + 1
    assert max(by_pid.values()) == 20
    assert {job.attempts for job in rig.ended(*ids)} == {1}
    rig.pids.update(by_pid)
    until(lambda: len(crew.isolates()) == 2)


def test_leaked_memory_is_given_back_by_replacing_the_isolate(rig: Rig):
    crew = rig.crew("faults", recycle_memory_mb=100)
    [first] = crew.isolates()

    def another_took_over() -> bool:
        [job] = rig.ended(rig.enqueue("leaking", megabytes=30))
        rig.pids.add(job.result)
        return job.result != first

    until(another_took_over)
    until(lambda: gone(first))


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────────
def test_a_sync_job_over_its_timeout_is_killed_in_time_and_tried_again(rig: Rig):
    crew = rig.crew()
    [first] = crew.isolates()
    job_id = rig.enqueue("limited", name="limited", options={"max_attempts": 2})
    job = rig.ended(job_id)[0]
    assert (job.status, job.reason, job.attempts) == (JobStatus.FAILED, "timeout", 2)
    assert job.last_error == "TimeoutError: it ran longer than its timeout of 300ms"
    assert rig.outcomes(job_id) == ["retried", "failed"]
    assert gone(first)
    starts = [entry["at"] for entry in rig.diary("start", "limited")]
    # The first run was given its 300 ms; by itself it would have gone on for a minute.
    assert 0.3 <= starts[1] - starts[0] < 60


def test_a_timeout_is_kept_to_the_tenth_of_a_second_when_nothing_else_happens(rig: Rig):
    rig.crew(poll_s=30.0)
    until(after(1.1))  # past the upkeep that follows a start
    took_s: list[float] = []
    for n in range(5):
        job_id = rig.enqueue("limited", name=f"limited-{n}", options=ONCE)
        rig.begun(f"limited-{n}")
        began = time.monotonic()
        rig.ended(job_id)
        took_s.append(time.monotonic() - began)
    # The median: another program may take the processor away in the middle of one.
    assert median(took_s) < 0.6, took_s


def test_a_timeout_kill_blames_no_async_neighbour_and_its_culprit_runs_alone_next(rig: Rig):
    rig.crew()
    neighbours = [rig.enqueue("agated", name="neighbour") for _ in range(3)]
    until(lambda: len(rig.diary("start", "neighbour")) == 3)
    culprit = rig.enqueue("limited", name="culprit", options={"max_attempts": 2})
    until(lambda: rig.outcomes(culprit) == ["retried"])
    assert rig.rows("SELECT alone FROM background_service_jobs WHERE id = ?", culprit) == [(1,)]
    rig.ended(culprit)
    rig.open("neighbour")
    assert [(job.status, job.attempts) for job in rig.ended(*neighbours)] == [(JobStatus.COMPLETED, 1)] * 3
    assert rig.rows("SELECT DISTINCT job_id FROM windlass_attempts") == [(culprit,)]


def test_an_async_job_over_its_timeout_fails_and_its_isolate_goes_on(rig: Rig):
    crew = rig.crew()
    [pid] = crew.isolates()
    neighbour = rig.enqueue("agated", name="neighbour")
    job = rig.ended(rig.enqueue("alimited", name="late", options=ONCE))[0]
    assert (job.status, job.reason) == (JobStatus.FAILED, "timeout")
    rig.open("neighbour")
    assert rig.ended(neighbour)[0].result == pid


def test_a_blocked_event_loop_is_killed_at_the_timeout_and_its_neighbours_are_not_blamed(rig: Rig):
    rig.crew()
    neighbour = rig.enqueue("agated", name="neighbour")
    rig.begun("neighbour")
    job = rig.ended(rig.enqueue("ablocking_limited", name="blocker", options=ONCE))[0]
    assert (job.status, job.reason) == (JobStatus.FAILED, "timeout")
    rig.open("neighbour")
    found = rig.ended(neighbour)[0]
    assert (found.status, found.attempts, rig.outcomes(neighbour)) == (JobStatus.COMPLETED, 1, [])


def test_the_isolate_for_suspects_ends_when_none_comes(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(isolates_module, "_SUSPECTS_COME_S", 0.2)
    crew = rig.crew("faults")
    guilty = rig.enqueue("dying", how="os._exit", options={"max_attempts": 2})
    until(lambda: rig.outcomes(guilty) == ["crashed"])
    busy = [rig.enqueue("ainnocent", name="busy") for _ in range(2)]
    assert rig.ended(guilty)[0].reason == "crashed"
    rig.open("busy")
    rig.ended(*busy)
    until(lambda: len(crew.pool._children) == 1)


def test_a_suspect_waits_for_no_isolate_that_is_busy_or_still_starts(rig: Rig):
    """Where isolates are killed again and again there is always one that starts."""
    rig.crew("halting", isolates=2)
    busy = rig.enqueue("agated", name="busy")
    occupied = rig.begun("busy")
    suspect = rig.enqueue("agated", name="suspect")
    dying = rig.begun("suspect")
    assert occupied != dying
    (rig.folder / "halt").touch()
    os.kill(dying, signal.SIGKILL)
    apart = rig.begun("suspect", 2)
    # Its successor, or the isolate for suspects: whichever started first.
    halted = until(lambda: rig.diary("halted"))[0]["pid"]
    assert apart not in (occupied, halted)
    for gate in ("halted", "busy", "suspect"):
        rig.open(gate)
    assert [job.result for job in rig.ended(busy, suspect)] == [occupied, apart]
