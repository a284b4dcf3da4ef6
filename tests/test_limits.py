"""Limits as a program sets them, and why a job waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from windlass import Windlass
from windlass.errors import InvalidJob, RegistrationError
from windlass.limits import LimitState
from windlass.testing import ManualClock, drain
from windlass.worker.slots import LATE, Slots


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)
    yield app
    app.close()


def test_limits_are_set_shown_and_lifted(app: Windlass) -> None:
    app.queues.limit("mail", rate="600/m")
    app.queues.limit("mail", concurrency=4)
    app.limits.set(key="sms", rate=(50, "1s"), concurrency=2)
    assert app.limits.list() == [
        LimitState(kind="queue", name="mail", concurrency=4, rate="600/m"),
        LimitState(kind="key", name="sms", concurrency=2, rate="50/s"),
    ]
    assert [(one.queue, one.concurrency, one.rate) for one in app.queues.list()] == [("mail", 4, "600/m")]
    app.queues.limit("mail", None)
    assert app.limits.list()[0] == LimitState(kind="queue", name="mail", rate="600/m")
    app.queues.limit("mail", rate=None)
    assert app.limits.lift(key="sms")
    assert not app.limits.lift(queue="mail")
    assert app.limits.list() == []


def test_what_a_program_declares_no_longer_is_forgotten(database_url: str) -> None:
    def start(**options: Any) -> list[LimitState]:
        app = Windlass(database_url)
        app.job("sms", **options)(lambda: None)
        app.make_sources()
        found = app.limits.list()
        app.close()
        return found

    assert start(rate="50/s", concurrency=4) == [
        LimitState(kind="key", name="sms", rate="50/s", concurrency=4, declared=True)
    ]
    assert start(concurrency=2) == [LimitState(kind="key", name="sms", concurrency=2, declared=True)]
    assert start() == []


def test_an_unchanged_declaration_writes_nothing(app: Windlass) -> None:
    app.job("sms", rate="50/s")(lambda: None)
    app.limits.put_declared()
    before = app.store.version()
    other = Windlass(app.settings.database)
    other.job("sms", rate="50/s")(lambda: None)
    other.limits.put_declared()
    other.close()
    assert app.store.version() == before


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"rate": "fast"}, 'expected rate to be a number of starts and a span, such as "50/s"'),
        ({"rate": "0/s"}, "expected rate to allow 1 to 100,000 starts, got '0/s'"),
        ({"rate": (-1, "1s")}, "expected rate to allow 1 to 100,000 starts"),
        ({"rate": "5/100ms"}, "between a second and a year"),
        ({"concurrency": 0}, "expected concurrency to be a positive integer, got 0"),
        ({"concurrency": -4}, "expected concurrency to be a positive integer"),
        ({"concurrency": "four"}, "expected concurrency to be a positive integer"),
    ],
)
def test_a_limit_that_cannot_be_right_is_refused_wherever_it_is_given(
    app: Windlass, limits: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidJob, match=told):
        app.queues.limit("mail", **limits)
    with pytest.raises(InvalidJob, match=told):
        app.limits.set(key="sms", **limits)
    with pytest.raises(RegistrationError, match=told):
        app.job("sms", **limits)(lambda: None)


def test_a_limit_is_of_one_thing_and_says_something(app: Windlass) -> None:
    with pytest.raises(InvalidJob, match="of a key or of a queue, got both"):
        app.limits.set(key="sms", queue="mail", concurrency=1)
    with pytest.raises(InvalidJob, match="of a key or of a queue, got neither"):
        app.limits.lift()
    with pytest.raises(InvalidJob, match="expected concurrency or rate, got neither"):
        app.limits.set(key="sms")


def test_a_drain_leaves_what_the_rate_does_not_let_start(app: Windlass, clock: ManualClock) -> None:
    @app.job(rate="1/m")
    def report() -> None: ...

    for _ in range(2):
        report.enqueue()
    assert len(drain(app)) == 1
    assert drain(app) == []
    clock.advance("61s")
    assert len(drain(app)) == 1


def test_what_comes_too_late_goes_back_unspent(app: Windlass, clock: ManualClock) -> None:
    ran: list[int] = []

    @app.job(rate="1/m")
    def report() -> None:
        ran.append(1)

    @app.job(rate="1/m")
    async def areport() -> None:
        ran.append(1)

    performer = app.make_performer(None, lambda *_: None)
    for fn in (report, areport):
        fn.enqueue()
        app.limits.put_declared()
        (claim,) = _claimed(app)
        assert claim.start_by_us is not None
        clock.advance((claim.start_by_us - clock.boot_us() + 1) / 1_000_000)
        assert performer.perform(claim) == LATE
        assert ran == []
        assert performer.perform(claim._replace(start_by_us=clock.boot_us())) != LATE
        assert ran.pop() == 1


def _claimed(app: Windlass) -> Any:
    from windlass.store.protocol import ClaimRequest

    caps = dict.fromkeys(app.store.lanes(), 1)
    return app.store.settle_and_claim([], ClaimRequest(1, 10, caps, lambda _: True)).claimed


def test_late_starts_are_given_more_time_until_they_are_in_time_again(app: Windlass) -> None:
    app.limits.set(key="sms", rate="1/m")
    app.enqueue("sms")
    (claim,) = _claimed(app)
    slots = Slots()
    for _ in range(20):
        slots.ended(claim, LATE)
    assert slots.extra_us == 1_000_000
    for _ in range(1000):
        slots.ended(claim, None)  # type: ignore[arg-type]
    assert slots.extra_us < 1000
    slots.ended(claim._replace(start_by_us=None), LATE)
    assert slots.extra_us < 1000


def test_an_embedded_app_is_given_more_threads_and_fewer(database_url: str) -> None:
    app = Windlass(database_url)
    gate, entered = threading.Event(), threading.Semaphore(0)
    inside: list[str] = []

    @app.job
    def block() -> None:
        inside.append(threading.current_thread().name)
        entered.release()
        gate.wait()

    with app.running(threads=1) as running:
        for _ in range(4):
            block.enqueue()
        assert entered.acquire(timeout=20)
        running.scale(threads=3)
        assert entered.acquire(timeout=20)
        assert entered.acquire(timeout=20)
        running.scale(threads=1)
        gate.set()
        assert entered.acquire(timeout=20)
        again = [block.enqueue().id for _ in range(30)]
        for job_id in again:
            app.jobs.wait(job_id, 20)
        assert len({*inside[-20:]}) == 1
        with pytest.raises(InvalidJob, match="expected threads to be a positive integer"):
            running.scale(threads=0)
    app.close()
