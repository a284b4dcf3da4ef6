"""What peers lost, sent twice, blocked on or left running, tried on whole programs over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import PATIENCE_S, until
from tests.sync.programs import SHORT, Program
from tests.sync.servers.faulty import Faulty
from tests.sync.servers.proxy import Proxy
from windlass.clock import SystemClock
from windlass.demo.server.serving import Asked, message
from windlass.demo.server.store import StoreServer
from windlass.errors import ResourceBusy
from windlass.sync.cursors import Serial, Timestamp
from windlass.sync.paginate import OnePage
from windlass.sync.telling import Postponed


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def proxy(store: StoreServer) -> Iterator[Proxy]:
    with Proxy(store.url) as one:
        yield one


def keys(store: StoreServer) -> list[str]:
    """The idempotency key of each write that came in, resends included."""
    return [one.headers["idempotency-key"] for one in store.asked if one.method != "GET"]


# ── the cursor ─────────────────────────────────────────────────────────────────────────────────────
def test_the_cursor_is_not_ahead_of_what_was_applied(
    store: StoreServer, proxy: Proxy, tmp_path: Path, database_url: str
):
    """PouchDB #1240: a replication that was cut had moved its checkpoint past documents it never wrote."""
    store.shelf.fill("tasks", ((f"{number}", {"title": f"task {number}"}) for number in range(10)))
    with Program(tmp_path, proxy.url, page_size=3, database=database_url) as ada:
        ledger = ada.app.store.ledger
        proxy.script("none", "none", "cut", "cut")

        with pytest.raises(Postponed):
            ada.tasks.pull()

        assert len(ada.titles()) == 6
        assert ledger.state("tasks").cursor is None
        store.shelf.edit("tasks", "0", title="edited between two pages")
        store.shelf.remove("tasks", "1")
        ada.tasks.pull()
        ada.tasks.pull()
        assert ada.titles() == {one: document["title"] for one, document in shelf(store).items()}
        assert ledger.state("tasks").cursor == str(store.shelf.version)


def shelf(store: StoreServer) -> dict[str, dict[str, Any]]:
    return store.shelf.documents("tasks")


class LateCommits:
    """A list by ``?since=``, of rows that became visible in another order than they were numbered in."""

    def __init__(self, server: Faulty) -> None:
        self.rows: list[dict[str, Any]] = []
        server.do_tasks = self.answer  # type: ignore[attr-defined]

    def answer(self, asked: Asked, connection: socket.socket) -> bool:
        since = asked.query.get("since", "")
        told = [row for row in self.rows if row["at"] > since]
        body = json.dumps(sorted(told, key=lambda row: row["at"])).encode()
        connection.sendall(message(200, {"Content-Type": "application/json"}, body))
        return True


def test_a_row_that_was_numbered_first_and_committed_last_is_not_passed_over(
    tmp_path: Path, database_url: str
):
    """airbyte #9668: the cursor was past a row whose transaction began earlier and was committed later."""
    with Faulty() as server:
        listed = LateCommits(server)
        cursor = Timestamp(parameter="since", field="at", overlap="5s")
        remote = {"cursor": cursor, "page": OnePage(), "rows": None, "limit_parameter": None, "version": None}
        listed.rows = [{"id": "2", "title": "second", "at": "2026-01-01T00:00:02Z"}]
        with Program(tmp_path, server.url, remote=remote, database=database_url) as ada:
            ada.tasks.pull()
            listed.rows.append({"id": "1", "title": "first, late", "at": "2026-01-01T00:00:01Z"})

            ada.tasks.pull()

            assert ada.titles() == {"1": "first, late", "2": "second"}


def test_rows_out_of_the_cursors_order_end_a_pull_rather_than_move_it(tmp_path: Path, database_url: str):
    """airbyte #9668, the other way: a server that numbers rows and lists them in another order."""
    with Faulty() as server:
        server.canned["/tasks"] = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n"
            b'[{"id": "a", "seq": 7},{"id":"b","seq":3}]'
        )
        remote = {"cursor": Serial("after", "seq"), "page": OnePage(), "rows": None, "version": None}
        with Program(tmp_path, server.url, remote=remote, database=database_url) as ada:
            with pytest.raises(Postponed, match="in the order of seq"):
                ada.tasks.pull()

            assert ada.titles() == {}
            assert ada.app.store.ledger.state("tasks").cursor is None


# ── sent once ──────────────────────────────────────────────────────────────────────────────────────
def test_an_edit_during_its_own_upload_is_not_lost(store: StoreServer, tmp_path: Path, database_url: str):
    """WatermelonDB #1374: what was edited while a push was under way was marked as synced with it."""
    with Program(tmp_path, store.url, database=database_url) as ada:
        titles = iter(["green tea", "black tea"])

        def edit(_collection: str, _document: dict[str, Any]) -> None:
            if (title := next(titles, None)) is not None:
                ada.do("UPDATE tasks SET title = ? WHERE id = '1'", title)

        store.shelf.checks.append(edit)
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")

        ada.tasks.push()

        assert [effect.op for effect in store.shelf.effects] == ["put", "patch", "patch"]
        assert shelf(store)["1"]["title"] == "black tea"
        ada.tasks.pull()
        assert ada.titles() == {"1": "black tea"}


def test_two_programs_that_push_one_database_send_nothing_twice(
    store: StoreServer, proxy: Proxy, tmp_path: Path, database_url: str
):
    """background_fetch #248: two wake-ups at once uploaded the same records twice."""
    made = [Program(tmp_path, proxy.url, database=database_url) for _ in range(2)]
    with made[0] as ada, made[1] as twin:
        ada.db.executemany("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", [(f"{n}",) for n in range(20)])
        proxy.rates, proxy.delay_s = {"delay": 1.0}, 0.01
        refused: list[ResourceBusy] = []

        def push() -> None:
            try:
                twin.tasks.push()
            except ResourceBusy as error:
                refused.append(error)

        other = threading.Thread(target=push)
        pushed = threading.Thread(target=ada.tasks.push)
        pushed.start()
        until(lambda: proxy.passed)
        other.start()
        other.join(20)
        pushed.join(20)

        assert len(refused) == 1
        assert len(keys(store)) == len(set(keys(store))) == len(shelf(store)) == 20


# ── a crash anywhere ───────────────────────────────────────────────────────────────────────────────
class Crash(BaseException):
    """The process is gone, as far as this process can tell."""


class Crashing:
    """Counts the steps of a program that leave a trace, and ends it at one of them."""

    def __init__(self, program: Program, at: int) -> None:
        self.steps = 0
        self._at = at
        ledger, transport = program.app.store.ledger, program.remote.transport
        ledger.write = self._around(ledger.write)  # type: ignore[method-assign]
        ledger.seal_batch = self._around(ledger.seal_batch)  # type: ignore[method-assign]
        transport.request = self._around(transport.request)  # type: ignore[method-assign]

    def _around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            self._step()
            done = work(*args, **more)
            self._step()
            return done

        return run

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self._at:
            raise Crash


@pytest.mark.parametrize("dedupes", [True, False])
def test_a_crash_at_any_step_of_an_upload_leaves_nothing_stuck(
    store: StoreServer, dedupes: bool, tmp_path: Path, database_url: str
):
    """PowerSync core #162: a crash around the upload left a queue that nothing could empty."""
    how: dict[str, Any] = {"remote": {"dedupes": dedupes}, "database": database_url}
    for at in range(1, 100):
        new, edited, deleted = (f"{at}-{name}" for name in ("new", "edited", "deleted"))
        store.shelf.edit("tasks", edited, title="milk")
        store.shelf.edit("tasks", deleted, title="jam")
        before, crashed = len(store.shelf.effects), False
        with Program(tmp_path, store.url, **how) as ada:
            ada.tasks.pull()
            ada.do("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", new)
            ada.do("UPDATE tasks SET title = 'oat milk' WHERE id = ?", edited)
            ada.do("DELETE FROM tasks WHERE id = ?", deleted)
            crashing = Crashing(ada, at)
            try:
                ada.tasks.push()
            except Crash:
                crashed = True
        with Program(tmp_path, store.url, **how) as again:
            again.sync()
            assert again.queue() == []
            titles = {key: title for key, title in again.titles().items() if key.startswith(f"{at}-")}
            assert titles == {new: "tea", edited: "oat milk"}
        done = [(effect.op, effect.id) for effect in store.shelf.effects[before:]]
        assert sorted(done) == [("delete", deleted), ("patch", edited), ("put", new)], f"crashed at step {at}"
        if not crashed:
            assert crashing.steps >= 10
            return
    raise AssertionError("there was no end of steps")


# ── one row, and the others ────────────────────────────────────────────────────────────────────────
def test_a_row_that_the_server_never_takes_holds_up_no_other(
    store: StoreServer, tmp_path: Path, database_url: str
):
    """Brick #393, #527: the first failing request blocked the queue behind it, for ever."""
    with Program(tmp_path, store.url, max_attempts=3, database=database_url) as ada:
        for number in range(10):
            ada.do("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", f"{number}")
        store.plan(500, method="PUT", path="/tasks/0", times=100)

        ada.tasks.push()

        assert set(shelf(store)) == {f"{number}" for number in range(1, 10)}
        assert ada.queue() == [("pending", 1)]
        for _ in range(5):
            ada.clock.advance("1h")
            ada.do("UPDATE tasks SET note = coalesce(note, '') || '!' WHERE id = '9'")
            ada.due_push()
        assert ada.queue() == [("failed", 3)]
        assert shelf(store)["9"]["note"] == "!!!!!"


class Hanging:
    """A server that answers nothing, and knows when its client has gone."""

    def __init__(self, server: Faulty) -> None:
        self.left = threading.Event()
        server.do_hanging = self.answer  # type: ignore[attr-defined]

    def answer(self, asked: Asked, connection: socket.socket) -> bool:
        try:
            connection.recv(1)
        finally:
            self.left.set()
        return False


def test_a_stop_ends_a_request_under_way(tmp_path: Path, database_url: str):
    """Brick #643: stopping the queue left a request running, which then answered to nobody."""
    remote = {"timeouts": None}
    with Faulty() as server:
        hanging, url = Hanging(server), f"{server.url}/hanging"
        how: dict[str, Any] = {"clock": SystemClock(), "settings": {"grace": 0.4}}
        with Program(tmp_path, url, remote=remote, database=database_url, **how) as ada:
            ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
            with ada.app.running(threads=2):
                until(lambda: server.asked)

            assert hanging.left.wait(PATIENCE_S), "nothing else would ever end it"
            assert [status for status, _ in ada.queue() or [("pending", 0)]] == ["pending"]
            assert ada.tasks.status().state == "idle", "that we stop says nothing about the server"


def test_a_request_that_takes_too_long_is_over_for_the_server_too(tmp_path: Path, database_url: str):
    """Brick #643, without a stop."""
    how: dict[str, Any] = {"remote": {"timeouts": SHORT}, "database": database_url}
    with Faulty() as server, Program(tmp_path, f"{server.url}/hanging", **how) as ada:
        hanging = Hanging(server)

        with pytest.raises(Postponed):
            ada.tasks.pull()

        assert hanging.left.wait(PATIENCE_S)
