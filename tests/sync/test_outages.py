"""Outages that last, the reconnect after them, and what of a sync people get to see: over real HTTP."""

from __future__ import annotations

import logging
import random
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.service.waiting import until
from tests.sync.programs import Program
from tests.sync.servers.faulty import Faulty
from tests.sync.servers.proxy import Proxy
from windlass.clock import SystemClock
from windlass.demo.server.store import StoreServer
from windlass.events import SyncFailed, SyncFailing, SyncRecovered
from windlass.store.postgres.location import is_postgres
from windlass.sync.auth import bearer
from windlass.sync.secrets import env
from windlass.sync.telling import Postponed
from windlass.testing import drain

CANARY = "tok-canary-5f3a9c"


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def proxy(store: StoreServer) -> Iterator[Proxy]:
    with Proxy(store.url) as one:
        yield one


# ── outages ────────────────────────────────────────────────────────────────────────────────────────
def test_two_hours_of_outage_cost_no_attempt_and_are_told_once(
    store: StoreServer, proxy: Proxy, tmp_path: Path
):
    """The origin's queue had failed everything after two minutes."""
    with Program(tmp_path, proxy.url, remote={"rate": 50}, every="15m") as ada:
        drain(ada.app)
        proxy.rates = {"drop": 1.0}
        for minute in range(0, 120, 2):
            if minute < 60:
                ada.do("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", f"{minute}")
                ada.do("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", f"{minute + 1}")
            if minute == 60:
                proxy.down()  # not even that it is dropped is told any more: connections are refused
            drain(ada.app)
            ada.clock.advance("2m")
        assert set(ada.queue()) == {("pending", 0)}
        assert [type(event) for event in ada.events] == [SyncFailing]
        assert proxy.count("drop") <= 60 * 3, "some requests a minute at most, however many changes wait"

        proxy.up()
        proxy.rates = {}
        before = len(proxy.passed)
        began = time.monotonic()
        while ada.counts().pending:
            drain(ada.app)
            ada.clock.advance("10s")

        assert set(store.shelf.documents("tasks")) == {f"{minute}" for minute in range(60)}
        requests = len(proxy.passed) - before
        assert 60 <= requests <= 66
        assert time.monotonic() - began > (requests - 50) / 50, "50 a second, after 50 at once"
        assert [type(event) for event in ada.events] == [SyncFailing, SyncRecovered]
        jobs = Counter(row[0] for row in ada.db.execute("SELECT status FROM background_service_jobs"))
        assert set(jobs) <= {"COMPLETED", "PENDING"}, "no job has failed"


def test_two_hundred_clients_that_lost_one_server_do_not_come_back_at_once(tmp_path: Path):
    """They have lost it in the same moment, and make one more try together before it is back."""
    random.seed(7)
    with Faulty() as server:
        server.down()
        with Program(tmp_path / "first", server.url, remote={"version": None}) as one:
            for _ in range(6):
                fail(one)
        first = tmp_path / "first" / "app.db"
        clients: list[Program] = []
        try:
            for number in range(200):  # one that fails must not keep the others open
                here = tmp_path / f"{number}"
                clients.append(Program(here, server.url, copy_of=first, remote={"version": None}))
            waits_us = sorted(fail(one) for one in clients)
        finally:
            for one in clients:
                one.__exit__()
    busiest = max(sum(1 for one in waits_us if start <= one < start + 1_000_000) for start in waits_us)
    assert len(waits_us) == 200
    assert busiest <= 40, "one in five a second at most"
    assert waits_us[-1] <= 30_000_000, "and within half a minute all are back"


def fail(one: Program) -> int:
    """A pull, when it is time for it, from a server that is away; how long it is left alone after that."""
    one.clock._wall_us += one.app.sync.engine.cycle("tasks").origin.wait_us()
    with pytest.raises(Postponed) as caught:
        one.app.sync.engine.pull("tasks")
    return caught.value.wait_us


# ── what people see ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.hintless
def test_a_rejected_row_is_shown_with_the_servers_words_and_edit_and_retry_works(
    store: StoreServer, tmp_path: Path, database_url: str
):
    def check(_collection: str, document: dict[str, Any]) -> str | None:
        return None if document.get("title") else "A task needs a title of at least one letter."

    store.shelf.checks.append(check)
    with Program(tmp_path, store.url, database=database_url) as ada:
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', '', 0, NULL), ('3', 'jam', 0, NULL)")

        ada.tasks.push()

        assert set(store.shelf.documents("tasks")) == {"1", "3"}
        (letter,) = ada.tasks.dead()
        assert letter.key == "2"
        assert "A task needs a title of at least one letter." in str(letter.change.error)
        told = msgspec.json.decode(letter.change.problem or "")
        assert (told["status"], told["detail"]) == (422, "A task needs a title of at least one letter.")
        (event,) = ada.events
        assert isinstance(event, SyncFailed)
        assert "at least one letter" in event.reason

        ada.tasks.retry("2")
        ada.tasks.push()
        assert [letter.key for letter in ada.tasks.dead()] == ["2"], "as it is it is rejected again"
        ada.tasks.edit("2", title="milk")
        ada.tasks.push()

        assert ada.tasks.dead() == []
        assert store.shelf.documents("tasks")["2"]["title"] == "milk"
        ada.tasks.pull()
        assert ada.titles() == {"1": "tea", "2": "milk", "3": "jam"}


def typed(database: str, sql: str) -> None:
    """Runs a statement in the database's own shell, which knows nothing of Windlass."""
    if is_postgres(database):
        from tests.postgres.programs import MAIN, programs

        programs(MAIN).run("psql", "--no-psqlrc", "--quiet", database, "--command", sql)
    else:
        subprocess.run(["sqlite3", "-cmd", ".timeout 5000", database, sql], check=True, timeout=20)


def test_an_edit_by_the_databases_shell_reaches_the_server_while_the_service_runs(
    store: StoreServer, tmp_path: Path, database_url: str
):
    """What it took is printed. The goal of 300 ms is held by ``dev.py bench --only sync_shell_edit_ms``."""
    program = Program(tmp_path, store.url, clock=SystemClock(), database=database_url)
    with program as ada, ada.app.running(threads=2):
        until(lambda: ada.tasks.status().last_pull)
        took_ms: list[float] = []
        for number in range(5):
            sql = f"INSERT INTO tasks (id, title) VALUES ('{number}', 'typed by hand')"
            typed(database_url, sql)
            committed = time.monotonic()
            until(lambda: len(store.shelf.documents("tasks")) > len(took_ms))
            took_ms.append(1000 * (time.monotonic() - committed))
        print("commit of the shell to the server, ms:", ", ".join(f"{one:.0f}" for one in took_ms))
        until(lambda: ada.queue() == [])
    assert set(store.shelf.documents("tasks")) == {"0", "1", "2", "3", "4"}


# ── what nobody gets to see ────────────────────────────────────────────────────────────────────────
def test_a_bearer_token_is_nowhere_but_in_the_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """A canary: not in the database, the log, an event, an error or a name of ours, also where the server
    tells it back."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SHELF_TOKEN", CANARY)
    errors: list[BaseException] = []
    with StoreServer() as store, Faulty() as parrot:
        parrot.token = "another one"
        for name, url in (("good", store.url), ("parrot", f"{parrot.url}/guarded")):
            store.token = CANARY
            store.shelf.checks = [lambda _, document: f"who is {CANARY}?" if document["done"] else None]
            with Program(tmp_path / name, url, remote={"auth": bearer(env("SHELF_TOKEN"))}) as ada:
                ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 1, NULL)")
                for step in (ada.tasks.push, ada.tasks.pull, lambda: drain(ada.app)):
                    try:
                        step()
                    except Postponed as error:
                        errors.append(error)
                if name == "good":
                    assert store.shelf.documents("tasks")["1"]["title"] == "tea"
                    assert [letter.key for letter in ada.tasks.dead()] == ["2"]
                told = (
                    f"{ada.events} {ada.remote!r} {ada.remote.auth!r} {ada.tasks.status()} {ada.tasks.dead()}"
                )
                assert CANARY not in told
        assert any(one.headers.get("authorization") == f"Bearer {CANARY}" for one in parrot.asked)
    for error in errors:
        assert CANARY not in "".join(traceback.format_exception(error))
    assert errors
    assert CANARY not in caplog.text
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert len(files) >= 2
    for one in files:
        assert CANARY.encode() not in one.read_bytes(), one
