"""The network's return is a hint: it hurries sync, and nothing keeps sync from trying."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.service.waiting import until
from tests.sync.databases import connected
from tests.sync.replicas import TASKS, Collection, Wire
from windlass import Constraints, Windlass
from windlass.errors import ConfigError
from windlass.sync.returning import Returning
from windlass.sync.tasks import PULL, PUSH
from windlass.testing import FakeDevice, ManualClock, drain


class Site:
    """A program with one synced table, its network, and the remote at its other end."""

    def __init__(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.watching: list[Returning] = []

        def watch(*given: Any, **more: Any) -> Returning:
            self.watching.append(Returning(*given, **more))
            return self.watching[-1]

        monkeypatch.setattr("windlass.sync.manager.Returning", watch)
        self.device = FakeDevice()
        # What waits for a time of this clock waits for ever.
        self.app = Windlass(database, clock=ManualClock(), device=self.device)
        self.db = connected(database)
        self.db.execute(TASKS)
        self.collection = Collection()
        self.wire = Wire(self.collection)

    def edit(self, key: str) -> None:
        self.db.execute("INSERT INTO tasks (id, title) VALUES (?, 'tea')", (key,))

    def is_put_off(self) -> bool:
        waiting = self.app.jobs.list(key=PUSH, status="PENDING")
        return bool(waiting) and waiting[0].run_at is not None

    def waits_for_the_network(self) -> bool:
        return self.is_put_off() and self.watching[-1]._was_gone

    def close(self) -> None:
        self.db.close()
        self.app.close()


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with closing(Site(database_url, monkeypatch)) as site:
        yield site


def cut(site: Site) -> None:
    site.device.set(network="none")
    site.wire.online = False


def test_what_waits_for_an_unreachable_remote_goes_when_the_network_is_back(site: Site) -> None:
    """Today's wait of up to thirty seconds is over at once: the clock of this test never moves."""
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s", direction="push")
    with site.app.running():
        site.edit("1")
        until(lambda: "1" in site.collection.alive())
        cut(site)
        site.edit("2")
        until(site.waits_for_the_network)
        site.wire.online = True
        site.device.set(network="metered")
        until(lambda: "2" in site.collection.alive())


def test_the_network_may_come_and_go_more_than_once(site: Site) -> None:
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s", direction="push")
    with site.app.running():
        for key in ("1", "2", "3"):
            cut(site)
            site.edit(key)
            until(site.waits_for_the_network)
            tries = len(site.wire.requests)
            site.device.set(network="unmetered")  # but the server is not there yet
            until(lambda tries=tries: len(site.wire.requests) > tries)
            site.device.set(network="none")
            until(site.waits_for_the_network)
            site.wire.online = True
            site.device.set(network="unmetered")
            until(lambda key=key: key in site.collection.alive())


def test_a_device_that_says_there_is_no_network_keeps_nobody_from_trying(site: Site) -> None:
    """As in a container, or where the server is on this very machine."""
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s")
    site.device.set(network="none")
    site.edit("1")
    drain(site.app)
    assert "1" in site.collection.alive()


def test_nobody_looks_at_the_network_while_every_remote_is_well(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    monkeypatch.setattr(site.app, "device", None)
    monkeypatch.setattr("windlass.device.Device", lambda *given, **more: looks.append(given))
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s")
    site.edit("1")
    drain(site.app)
    assert (looks, list(site.collection.alive())) == ([], ["1"])


def test_a_throttled_remote_is_not_hurried(site: Site) -> None:
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s", direction="push")
    site.edit("1")
    site.wire.fault = lambda kind: "429" if kind == "push" else None
    drain(site.app)
    site.wire.fault = lambda kind: None
    with site.app.running():
        for network in ("none", "unmetered", "none", "metered"):
            site.device.set(network=network)
        job = site.app.enqueue("nobody_knows_it")
        until(lambda: site.app.jobs.why(job.id).code == "unknown_key")
        assert site.is_put_off()
    assert site.collection.alive() == {}


def test_a_resource_with_constraints_waits_for_them(site: Site) -> None:
    photos = Constraints(network="unmetered")
    site.device.set(network="metered")
    site.app.sync.resource("tasks", remote=site.wire, debounce="0s", every="1h", constraints=photos)
    site.edit("1")
    assert drain(site.app) == []
    waiting = site.app.jobs.list(status="PENDING")
    assert {job.key for job in waiting} == {PUSH, PULL}
    assert {job.constraints for job in waiting} == {photos}
    [pulls] = site.app.schedules.list()
    assert pulls.constraints == photos
    site.device.set(network="unmetered")
    drain(site.app)
    assert "1" in site.collection.alive()


def test_constraints_of_a_resource_are_checked(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"expected constraints to be Constraints\(\.\.\.\)"):
        site.app.sync.resource("tasks", remote=site.wire, constraints="unmetered")
