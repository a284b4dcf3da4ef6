"""Jobs that need a condition, on real isolates and in threads, by a device whose facts are set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import Rig
from windlass import Constraints, Context, JobStatus, Windlass
from windlass.testing import FakeDevice, ManualClock, drain

COMPLETED, PENDING, RUNNING, CANCELLED = (
    JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLED,
)  # fmt: skip
ONLINE: dict[str, Any] = {"constraints": Constraints(network="connected")}


# ── isolates ───────────────────────────────────────────────────────────────────────────────────────
def test_a_blocked_job_waits_and_starts_at_once_when_its_condition_holds(rig: Rig) -> None:
    device = FakeDevice(network="none")
    rig.crew("stopped", device=device, poll_s=30.0)
    blocked = rig.enqueue("quick", n=1, options=ONLINE | {"priority": 9})
    [free] = rig.ended(rig.enqueue("quick", n=2))
    assert free.result == 2
    why = until(lambda: (found := rig.jobs.why(blocked)).reason.endswith("a connection") and found)
    assert (why.code, why.reason) == (
        "constraint",
        "it waits for a condition: no network: network waits for a connection",
    )
    device.set(network="metered")
    [job] = rig.ended(blocked)
    assert (job.status, job.result, job.attempts) == (COMPLETED, 1, 1)
    assert job.constraints == ONLINE["constraints"]


@pytest.mark.parametrize("key", ["listening", "waiting"])
def test_a_lost_condition_stops_a_run_and_spends_no_attempt(rig: Rig, key: str) -> None:
    """workmanager #432, #451: running work can be stopped, and is told why."""
    device = FakeDevice()
    crew = rig.crew("stopped", device=device)
    pids = crew.isolates()
    job_id = rig.enqueue(key, name="it", options=ONLINE | {"max_attempts": 1})
    for times in (1, 2):
        rig.begun("it", times)
        device.set(network="none")
        until(lambda times=times: len(rig.diary("told constraint", "it")) == times)
        until(lambda: rig.status(job_id) == PENDING)
        job = rig.job(job_id)
        assert (job.attempts, job.crashes, rig.outcomes(job_id)) == (0, 0, [])
        if times == 1:
            device.set(network="metered")
    assert crew.isolates() == pids


def test_a_handler_that_does_not_stop_is_killed_and_waits_unspent(rig: Rig) -> None:
    device = FakeDevice()
    crew = rig.crew("stopped", device=device, cancel_grace_s=0.2)
    [pid] = crew.isolates()
    job_id = rig.enqueue("stubborn", name="it", options=ONLINE | {"max_attempts": 1})
    rig.begun("it")
    device.set(network="none")
    until(lambda: gone(pid))
    until(lambda: rig.status(job_id) == PENDING)
    job = rig.job(job_id)
    assert (job.attempts, job.crashes, rig.outcomes(job_id)) == (0, 0, [])
    assert rig.rows("SELECT alone FROM background_service_jobs WHERE id = ?", job_id) == [(0,)]
    device.set(network="metered")
    rig.begun("it", 2)
    rig.jobs.cancel(job_id)
    [job] = rig.ended(job_id)
    assert job.status == CANCELLED


def test_a_handler_that_ends_by_itself_in_time_keeps_its_outcome(rig: Rig) -> None:
    device = FakeDevice()
    crew = rig.crew("stopped", device=device)
    job_id = rig.enqueue("saved", name="it", options=ONLINE)
    rig.begun("it")
    device.set(network="none")
    until(lambda: crew.on_its_thread(lambda: crew.pool._children[0].head.reason) == "constraint")
    rig.open("it")
    [job] = rig.ended(job_id)
    assert (job.status, job.attempts) == (COMPLETED, 1)


def test_runs_of_one_job_never_overlap_while_its_condition_comes_and_goes(rig: Rig) -> None:
    """background_fetch #248: sent twice. workmanager #456: overlapping runs."""
    device = FakeDevice()
    rig.crew("stopped", isolates=2, device=device)
    job_id = rig.enqueue("listening", name="it", options=ONLINE)
    rig.begun("it")
    for _ in range(5):
        device.set(network="none")
        device.set(network="metered")
    device.set(network="none")
    until(lambda: rig.diary("told constraint", "it"))
    until(lambda: rig.status(job_id) == PENDING)
    device.set(network="metered")
    rig.begun("it", 2)
    rig.jobs.cancel(job_id)
    rig.ended(job_id)
    story = [entry["what"] for entry in rig.diary(name="it")]
    assert story == ["start", "told constraint", "start", "told cancelled"]


def test_a_cancelled_job_stays_cancelled_though_its_condition_is_lost_too(rig: Rig) -> None:
    device = FakeDevice()
    rig.crew("stopped", device=device, cancel_grace_s=0.2)
    job_id = rig.enqueue("stubborn", name="it", options=ONLINE)
    rig.begun("it")
    device.set(network="none")
    rig.jobs.cancel(job_id)
    [job] = rig.ended(job_id)
    assert job.status == CANCELLED


def test_a_job_without_constraints_goes_on_whatever_the_device_says(rig: Rig) -> None:
    device = FakeDevice()
    rig.crew("stopped", isolates=2, device=device)
    plain, bound = rig.enqueue("saved", name="plain"), rig.enqueue("listening", name="it", options=ONLINE)
    rig.begun("plain")
    rig.begun("it")
    device.set(network="none")
    until(lambda: rig.status(bound) == PENDING)
    assert rig.status(plain) == RUNNING
    rig.open("plain")
    rig.ended(plain)


def test_ten_thousand_blocked_jobs_stand_in_nobodys_way(rig: Rig) -> None:
    device = FakeDevice(network="none")
    rig.crew("stopped", device=device)
    options = ONLINE | {"priority": 9, "durability": "fast"}
    rig.app.enqueue_many("quick", [{"n": n} for n in range(10_000)], **options)
    rig.ended(*rig.enqueue_many("quick", [{"n": n} for n in range(20)]))
    counts = rig.jobs.counts()
    assert (counts[PENDING], counts[COMPLETED]) == (10_000, 20)


# ── several dispatchers ────────────────────────────────────────────────────────────────────────────
def test_the_dispatcher_whose_device_allows_it_runs_it(rig: Rig) -> None:
    here, there = FakeDevice(charging=False, battery=14), FakeDevice(charging=False, battery=15)
    rig.crew("stopped", device=here)
    second = rig.crew("stopped", device=there)
    job_id = rig.enqueue("quick", n=7, options={"constraints": Constraints(battery_not_low=True)})
    why = until(lambda: (found := rig.jobs.why(job_id)).reason.count("battery") >= 4 and found)
    assert "battery 14 %, discharging" in why.reason
    assert "battery 15 %, discharging" in why.reason
    assert why.reason.count("process ") == 2
    there.set(battery=80)
    rig.ended(job_id)
    second.stop()
    waiting = rig.enqueue("quick", n=8, options={"constraints": Constraints(battery_not_low=True)})
    until(lambda: rig.jobs.why(waiting).reason.startswith("it waits for a condition: battery 14 %"))
    assert len(rig.app.store.devices()) == 1


def test_without_a_service_why_says_what_it_will_wait_for(rig: Rig) -> None:
    job_id = rig.enqueue("quick", options={"constraints": Constraints(charging=True, idle="5m")})
    why = rig.jobs.why(job_id)
    assert why.code == "no_service"
    assert why.reason.endswith("then it waits for its conditions: charging, idle 300s")


# ── embedded ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def app(database_url: str, device: FakeDevice) -> Iterator[Windlass]:
    app = Windlass(database_url, device=device)
    yield app
    app.close()


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_threads_and_event_loops_are_told_as_well(app: Windlass, device: FakeDevice, kind: str) -> None:
    heard: list[str | None] = []

    if kind == "thread":

        @app.job("upload", constraints=Constraints(network="unmetered"), max_attempts=1)
        def upload(ctx: Context) -> None:
            heard.append("begun")
            ctx.wait_cancelled(60)
            heard.append(ctx.stop_reason)
            ctx.raise_if_cancelled()
    else:

        @app.job("upload", constraints=Constraints(network="unmetered"), max_attempts=1)
        async def aupload(ctx: Context) -> None:
            heard.append("begun")
            try:
                await asyncio.sleep(60)
            finally:
                heard.append(ctx.stop_reason)

    with app.running():
        job_id = app.enqueue("upload").id
        until(lambda: heard == ["begun"])
        device.set(network="metered")
        until(lambda: heard == ["begun", "constraint"])
        until(lambda: app.jobs.why(job_id).code == "constraint")
        job = app.jobs.get(job_id)
        assert job is not None
        assert (job.status, job.attempts) == (PENDING, 0)
    assert app.store.devices() == []


def test_priorities_hold_over_all_that_may_run(app: Windlass, device: FakeDevice) -> None:
    """One thread, and everything ready at once."""
    order: list[str] = []

    @app.job
    def note(name: str) -> None:
        order.append(name)

    device.set(charging=False)
    charging = Constraints(charging=True)
    note.using(priority=1).enqueue("plain 1")
    note.using(priority=2, **ONLINE).enqueue("online 2")
    note.using(priority=9, constraints=charging).enqueue("blocked 9")
    note.using(priority=3).enqueue("plain 3")
    drain(app)
    assert order == ["plain 3", "online 2", "plain 1"]
    device.set(charging=True)
    note.using(priority=10).enqueue("plain 10")
    note.using(priority=8).enqueue("plain 8")
    drain(app)
    assert order[3:] == ["plain 10", "blocked 9", "plain 8"]


def test_constraints_of_a_call_take_the_place_of_the_handlers(app: Windlass, device: FakeDevice) -> None:
    device.set(network="none")

    @app.job(constraints=Constraints(network="connected"))
    def send() -> int:
        return 1

    waits = send.enqueue()
    assert waits.constraints == Constraints(network="connected")
    goes = [send.using(constraints=Constraints(charging=True)).enqueue(),
            send.using(constraints=Constraints()).enqueue()]  # fmt: skip
    assert goes[1].constraints is None
    assert [job.id for job in drain(app)] == [job.id for job in goes]


def test_an_apps_own_condition_is_asked_for(database_url: str, tmp_path: Path) -> None:
    app = Windlass(database_url)
    flag = tmp_path / "flag"
    done: list[int] = []

    @app.condition("flag_is_up", every="100ms")
    def flag_is_up() -> bool | str:
        return flag.exists() or "nobody has raised it"

    @app.job(constraints=Constraints(when="flag_is_up"))
    def salute() -> None:
        done.append(1)

    with ExitStack() as stack:
        stack.callback(app.close)
        stack.enter_context(app.running())
        job = salute.enqueue()
        # Since when is known a moment after what: the two come from different threads of the device.
        until(
            lambda: (
                "nobody has raised it" in app.jobs.why(job.id).reason
                and "since 20" in app.jobs.why(job.id).reason
            )
        )
        flag.touch()
        until(lambda: done)


def test_a_drain_waits_for_nothing_unless_a_device_says_so(database_url: str) -> None:
    app = Windlass(database_url, clock=ManualClock())

    @app.job(constraints=Constraints(network="unmetered", idle="1h", when="never_registered"))
    def rest() -> int:
        return 1

    rest.enqueue()
    assert [job.result for job in drain(app)] == [1]
    app.close()
