"""Many hosts on one database: who lives, and which of them take what. Each host is a thread here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.service.waiting import until
from windlass import InvalidJob, JobStatus, Windlass
from windlass.living import state_of
from windlass.service.embedded import Running
from windlass.store.hosts import GONE_US, SILENT_US, DispatcherRow
from windlass.testing import ManualClock

PATIENCE_S = 60.0
pytestmark = pytest.mark.hintless


class Fleet:
    """Programs on one database, each as if on a host of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ran: list[tuple[str, str]] = []
        self.release = threading.Event()
        self._stack = ExitStack()
        self.apps: dict[str, Windlass] = {}
        self.app = self._app("nobody")

    def _app(self, host: str, *labels: str, extra: str | None = None, falls: bool = False) -> Windlass:
        app = Windlass(self.url, host=host, labels=labels, threads=2, poll="50ms")

        @app.job
        def work() -> None:
            self.ran.append((host, "work"))

        @app.job(queue="gpu")
        def draw() -> None:
            self.ran.append((host, "draw"))

        @app.job
        def block() -> None:
            self.ran.append((host, "block"))
            assert self.release.wait(PATIENCE_S)

        if extra is not None:

            @app.job(extra)
            def newer() -> None:
                self.ran.append((host, extra))

        if falls:

            @app.fallback
            def anything(key: str) -> None:
                self.ran.append((f"fallback on {host}", key))

        self._stack.callback(app.close)
        self.apps[host] = app
        return app

    def start(self, host: str, *labels: str, **how: Any) -> Running:
        """Starts one; it is ready."""
        return self._stack.enter_context(self._app(host, *labels, **how).running())

    def enqueue(self, key: str, **options: Any) -> int:
        """A job, by a program on no host."""
        return self.app.enqueue(key, {}, **options).id

    def done(self, *job_ids: int) -> None:
        """Waits until they have completed."""
        for job_id in job_ids:
            assert self.app.jobs.wait(job_id, PATIENCE_S).status is JobStatus.COMPLETED

    def close(self) -> None:
        self.release.set()
        self._stack.close()


@pytest.fixture
def fleet(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Fleet]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Fleet(database_url)
    yield made
    made.close()


def test_hosts_are_listed_with_what_they_have_and_run(fleet: Fleet) -> None:
    fleet.start("beta")
    fleet.start("alpha", "gpu", "ssd")
    job_id = fleet.enqueue("block")
    until(lambda: fleet.ran, patience_s=60)
    alpha, beta = fleet.app.hosts.list()
    assert (alpha.name, alpha.labels, alpha.is_alive, alpha.paused) == ("alpha", ("gpu", "ssd"), True, False)
    assert (beta.name, beta.labels, len(beta.dispatchers)) == ("beta", (), 1)
    assert alpha.running + beta.running == 1
    assert set(alpha.dispatchers[0].job_keys or ()) == {"work", "draw", "block"}
    fleet.release.set()
    fleet.done(job_id)


def test_a_pinned_queue_is_for_those_that_have_the_label(fleet: Fleet) -> None:
    fleet.app.queues.pin("gpu", label="gpu")
    fleet.start("alpha")
    waiting = fleet.enqueue("draw", queue="gpu")
    fleet.done(fleet.enqueue("work"))
    why = fleet.app.jobs.why(waiting)
    assert why.code == "pinned"
    assert "the label 'gpu'" in why.reason
    fleet.start("beta", "gpu")
    fleet.done(waiting)
    assert ("beta", "draw") in fleet.ran
    assert ("alpha", "draw") not in fleet.ran


def test_a_queue_is_pinned_to_a_host_and_let_go(fleet: Fleet) -> None:
    fleet.app.queues.pin("gpu", host="beta")
    assert [state.pin for state in fleet.app.queues.list()] == ["host:beta"]
    fleet.start("alpha")
    waiting = fleet.enqueue("draw", queue="gpu")
    fleet.done(fleet.enqueue("work"))
    assert fleet.app.jobs.get(waiting).status is JobStatus.PENDING  # type: ignore[union-attr]
    assert "the host 'beta'" in fleet.app.jobs.why(waiting).reason
    fleet.app.queues.unpin("gpu")
    fleet.done(waiting)
    assert ("alpha", "draw") in fleet.ran


def test_a_pin_is_to_one_thing(fleet: Fleet) -> None:
    for given in ({}, {"label": "a", "host": "b"}):
        with pytest.raises(InvalidJob, match="either a label or a host"):
            fleet.app.queues.pin("gpu", **given)


def test_a_paused_host_takes_nothing_and_the_others_do(fleet: Fleet) -> None:
    fleet.start("alpha")
    fleet.app.hosts.pause("alpha")
    waiting = fleet.enqueue("work")
    why = fleet.app.jobs.why(waiting)
    assert (why.code, why.reason) == ("paused", "the hosts that could run it are paused or drain: alpha")
    fleet.start("beta")
    fleet.done(waiting, *[fleet.enqueue("work") for _ in range(5)])
    assert {host for host, _ in fleet.ran} == {"beta"}
    fleet.app.hosts.pause("beta")
    fleet.app.hosts.resume("alpha")
    fleet.done(fleet.enqueue("work"))
    assert fleet.ran[-1] == ("alpha", "work")


def test_a_drained_host_ends_what_it_runs_and_then_itself(fleet: Fleet) -> None:
    fleet.start("alpha")
    running = fleet.enqueue("block")
    until(lambda: fleet.ran, patience_s=60)
    fleet.app.hosts.drain("alpha")
    left = fleet.enqueue("work")
    assert fleet.app.hosts.list()[0].draining
    assert fleet.app.hosts.list()[0].is_alive
    fleet.release.set()
    fleet.done(running)
    until(lambda: not fleet.app.hosts.list()[0].dispatchers, patience_s=60)
    assert fleet.ran == [("alpha", "block")]
    # Whoever starts a service there wants it to work.
    fleet.start("alpha")
    fleet.done(left)
    assert [host.draining for host in fleet.app.hosts.list()] == [False]


def test_jobs_of_a_newer_version_are_left_for_the_hosts_that_know_them(fleet: Fleet) -> None:
    """J8: a rolling deploy, old and new side by side."""
    fleet.start("old")
    waiting = fleet.enqueue("newer")
    fleet.done(fleet.enqueue("work"))
    assert fleet.app.jobs.why(waiting).code == "unknown_key"
    fleet.start("new", extra="newer")
    fleet.done(waiting)
    assert ("new", "newer") in fleet.ran


def test_who_was_taken_for_dead_gives_up_what_it_lost_and_goes_on_as_another(fleet: Fleet) -> None:
    running = fleet.start("alpha")
    before = running.dispatcher.owner
    job_id = fleet.enqueue("block")
    until(lambda: fleet.ran, patience_s=60)
    store = fleet.app.store
    # What whoever leads does about one that it has not heard of.
    assert store.reclaim(before) == 1
    store.unregister(before)
    fleet.app.store.ring()
    until(lambda: running.dispatcher.owner != before, patience_s=60)
    fleet.release.set()
    fleet.done(job_id)
    assert [row.id for row in store.dispatchers()] == [running.dispatcher.owner]
    assert [attempt.outcome for attempt in fleet.app.jobs.attempts(job_id)] == ["lost"]


def test_jobs_of_a_dispatcher_that_nobody_knows_run_again(fleet: Fleet) -> None:
    """It claimed after it had been taken for dead: no row of it is left to find them by."""
    from tests.store.conformance.steps import claim

    job_id = fleet.enqueue("work")
    assert [one.job_id for one in claim(fleet.app.store, owner=4711)] == [job_id]
    assert fleet.app.store.orphans() == [4711]
    fleet.start("alpha")
    fleet.done(job_id)


def test_a_fallback_leaves_a_key_to_whoever_has_a_handler_for_it(fleet: Fleet) -> None:
    """J8."""
    fleet.start("old", falls=True)
    fleet.done(fleet.enqueue("newer"))
    new = fleet.start("new", falls=True, extra="newer")
    knows = {row.host: (row.job_keys, row.own_keys) for row in fleet.app.store.dispatchers()}
    assert knows["new"] == (None, ("block", "draw", "newer", "work"))
    jobs = [fleet.enqueue("newer") for _ in range(10)]
    strange = fleet.enqueue("strange")
    fleet.done(*jobs, strange)
    # Where its handler cannot get at the queue, the fallback can.
    fleet.app.queues.pin("apart", host="old")
    fleet.done(fleet.enqueue("newer", queue="apart"))
    new.dispatcher.stop()
    until(lambda: len(fleet.app.store.dispatchers()) == 1)
    fleet.done(fleet.enqueue("newer"))
    ran = [host for host, key in fleet.ran if key == "newer"]
    assert ran == ["fallback on old", *["new"] * 10, "fallback on old", "fallback on old"]


# ── who lives ──────────────────────────────────────────────────────────────────────────────────────
def row(**fields: Any) -> DispatcherRow:
    told = {"id": 1, "host": "a", "pid": 1, "boot_id": "x", "lock_file": "/nowhere", "started_at_us": 0}
    return DispatcherRow(**{**told, "version": "1", "mode": "service", "job_keys": None, **fields})


def test_from_afar_silence_decides(tmp_path: Any) -> None:
    clock = ManualClock()
    assert state_of(row(silent_us=0), clock) == "alive"
    assert state_of(row(silent_us=SILENT_US), clock) == "alive"
    assert state_of(row(silent_us=SILENT_US + 1), clock) == "lost"
    # Its session has ended and it missed pulses: it is gone. The session alone ends for other reasons, too.
    assert state_of(row(silent_us=GONE_US + 1, session=True), clock) == "alive"
    assert state_of(row(silent_us=GONE_US + 1, session=False), clock) == "lost"
    assert state_of(row(silent_us=GONE_US, session=False), clock) == "alive"
    free = tmp_path / "free.lock"
    free.touch()
    # Of this boot, and its lock is free: its process is gone. Of another machine: the file tells nothing.
    assert state_of(row(silent_us=0, boot_id=clock.boot_id(), lock_file=str(free)), clock) == "dead"
    late = SILENT_US + 1
    assert state_of(row(silent_us=late, boot_id=clock.boot_id(), lock_file=str(free)), clock) == "dead"
    assert state_of(row(silent_us=late, boot_id="another", lock_file=str(free)), clock) == "lost"
    assert state_of(row(silent_us=0, boot_id="another", lock_file=str(free)), clock) == "alive"
    assert state_of(row(silent_us=0, boot_id=clock.boot_id()), clock) == "alive"
    assert state_of(row(silent_us=None), clock) == "dead"
