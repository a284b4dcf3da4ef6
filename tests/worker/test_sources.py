"""What makes jobs by itself is asked when something happened, in time, and not too often."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.service.waiting import until
from tests.worker.rig import Rig, exclusive
from windlass import JobStatus
from windlass.errors import StoreUnavailable
from windlass.store.protocol import NewJob
from windlass.worker.asking import BETWEEN_S, Asking, pause_s


class Looking:
    """A source that notes when it was asked, and does as the test says."""

    def __init__(self, look: Callable[[], float | None] = lambda: None, *job_keys: str) -> None:
        self.job_keys = frozenset(job_keys)
        self.looks: list[float] = []
        self.does = look
        self.closed = False

    def look(self) -> float | None:
        self.looks.append(time.monotonic())
        return self.does()

    def close(self) -> None:
        self.closed = True

    def waits_for(self, looks: int) -> list[float]:
        """The moments of its looks, once there are that many."""
        until(lambda: len(self.looks) >= looks)
        return list(self.looks)

    def rests(self) -> int:
        """How often it has looked, once it is asked no more."""
        until(lambda: self.looks and time.monotonic() - self.looks[-1] > 5 * BETWEEN_S)
        return len(self.looks)

    def pauses_s(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(list(self.looks))]


# ── when ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_source_is_asked_at_the_start_and_then_only_when_something_happens(rig: Rig) -> None:
    source = Looking()
    rig.crew(sources=[source], poll_s=30.0)
    assert source.rests() <= 2


def test_a_ring_leads_to_a_look(rig: Rig) -> None:
    source = Looking()
    crew = rig.crew(sources=[source], poll_s=300.0)
    for _ in range(5):
        before = source.rests()
        crew.store.ring()
        source.waits_for(before + 1)


def test_a_lone_ring_is_served_at_once() -> None:
    source = Looking()
    asking = Asking([source])
    asking.ask()
    until(lambda: time.monotonic() > source.looks[-1] + BETWEEN_S)
    asking.ask()
    assert len(source.looks) == 1

    asking.heard(time.monotonic())
    asking.ask()
    assert len(source.looks) == 2


@pytest.mark.sqlite
def test_an_edit_by_a_foreign_program_leads_to_a_look(rig: Rig) -> None:
    """The ``sqlite3`` shell knows nothing of bells: the log stirs."""
    source = Looking()
    rig.crew(sources=[source], poll_s=300.0)
    other = sqlite3.connect(rig.database, isolation_level=None)
    other.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
    for n in range(5):
        before = source.rests()
        other.execute("INSERT INTO notes (body) VALUES (?)", (f"{n}",))
        source.waits_for(before + 1)
    other.close()


def test_a_source_is_asked_when_the_time_it_named_has_come(rig: Rig) -> None:
    waits = iter([0.05, 0.1])
    source = Looking(lambda: next(waits, None))
    rig.crew(sources=[source], poll_s=30.0)
    source.waits_for(3)
    first, second, *_ = source.pauses_s()
    assert (first >= 0.05, second >= 0.1) == (True, True)


def test_a_source_is_asked_after_a_job_of_one_of_its_keys_is_settled(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, other = Looking(lambda: None, "gated"), Looking(lambda: None, "quick")
    rig.crew(sources=[source, other], poll_s=300.0)
    job_id = rig.enqueue("gated", name="g")
    rig.begun("g")
    source.rests()
    other.rests()
    # The notice of the enqueue may come as late as it likes: no ring is heard from here on. (One that was
    # heard just now may still lead to a look, and that one sees the job running.)
    monkeypatch.setattr(Asking, "heard", lambda *_: None)
    statuses: list[JobStatus] = []
    source.does = lambda: statuses.append(rig.status(job_id))
    rig.open("g")
    until(lambda: JobStatus.COMPLETED in statuses)
    # The same settlement asks the other one, if it does.
    asked_at = source.looks[-1]
    source.rests()
    assert [look for look in other.looks if look >= asked_at] == []


def test_a_storm_of_rings_is_few_looks_and_the_last_one_comes_after_the_last_ring(rig: Rig) -> None:
    source = Looking()
    crew = rig.crew(sources=[source], poll_s=30.0)
    before = source.rests()
    begun = time.monotonic()
    pause = threading.Event()
    for _ in range(200):
        crew.store.ring()
        pause.wait(0.001)
    last = time.monotonic()
    crew.store.ring()
    until(lambda: source.looks[-1] >= last)
    source.rests()
    assert len(source.looks) - before <= (source.looks[-1] - begun) / BETWEEN_S + 3


def test_a_source_that_always_wants_more_is_not_asked_more_often(rig: Rig) -> None:
    source = Looking(lambda: 0.0)
    begun = time.monotonic()
    rig.crew(sources=[source])
    rig.ended(*rig.enqueue_many("quick", [{}] * 100))
    looks = source.waits_for(5)
    assert len(looks) <= (looks[-1] - begun) / BETWEEN_S + 1


# ── errors ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_fault_of_a_source_is_told_and_stops_neither_jobs_nor_other_sources(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    faulty, other = Looking(fail), Looking()
    with caplog.at_level(logging.ERROR, logger="windlass.worker"):
        crew = rig.crew(sources=[faulty, other], poll_s=30.0)
        before = len(other.looks)
        crew.store.ring()
        rig.ended(rig.enqueue("quick"))
        other.waits_for(before + 1)
        faulty.waits_for(2)
    assert "Looking failed to look for work" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_cannot_be_used_is_left_alone_for_longer_and_longer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise StoreUnavailable("it is locked")

    source, other = Looking(fail), Looking()
    asking = Asking([source, other])
    asking.ask()
    assert (len(source.looks), len(other.looks)) == (1, 0)
    until(lambda: asking.ask() and len(source.looks) == 4)
    assert [wait >= pause_s(n) for n, wait in enumerate(source.pauses_s())] == [True] * 3
    asking.heard(time.monotonic())
    asking.ask()
    assert (len(source.looks), len(other.looks) >= 1) == (4, True)
    assert caplog.text.count("it is locked") == 1


def test_a_source_goes_on_when_the_database_can_be_used_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    source = Looking()
    crew = rig.crew(sources=[source], busy_timeout_s=0.1)

    def write() -> None:
        crew.store.insert([NewJob(key="nobody has it", unique="one")])

    with exclusive(rig.database):
        source.does = write
        crew.store.ring()
        # Said by the source, or by the dispatcher, which then does not ask it at all.
        until(lambda: "cannot" in caplog.text)
    source.waits_for(len(source.looks) + 1)
    rig.ended(rig.enqueue("quick"))


# ── several at once ────────────────────────────────────────────────────────────────────────────────
def test_sources_of_several_dispatchers_make_one_job(rig: Rig) -> None:
    def enqueue() -> None:
        rig.app.enqueue("gated", {"name": "once"}, unique="once")

    sources = [Looking(enqueue), Looking(enqueue)]
    for source in sources:
        rig.crew(sources=[source])
    rig.begun("once")
    for source in sources:
        source.waits_for(1)
    assert sum(rig.jobs.counts().values()) == 1
    rig.open("once")


def test_nobody_is_asked_while_the_dispatcher_stops(rig: Rig) -> None:
    source = Looking(lambda: 0.0)
    crew = rig.crew(sources=[source])
    job_id = rig.enqueue("gated", name="g")
    rig.begun("g")
    crew.dispatcher.stop(20.0)
    until(lambda: crew.dispatcher._stopping.asked)
    source.rests()
    rig.open("g")
    assert rig.ended(job_id)[0].status == JobStatus.COMPLETED
