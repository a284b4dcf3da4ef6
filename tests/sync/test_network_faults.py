"""What a network and a server do to a sync, tried on whole programs over real HTTP: FAULTS, "Network"."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sync.programs import SHORT, Program
from tests.sync.servers.faulty import Faulty
from tests.sync.servers.proxy import Fault, Proxy
from windlass.change import KEEP
from windlass.demo.server.store import StoreServer
from windlass.sync.auth import bearer
from windlass.sync.telling import Postponed

MINUTE_US = 60_000_000


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def proxy(store: StoreServer) -> Iterator[Proxy]:
    with Proxy(store.url) as one:
        yield one


def writes(store: StoreServer) -> list[str]:
    """Method, path and key of each write that came in."""
    return [
        f"{one.method} {one.path} {one.headers.get('idempotency-key')}"
        for one in store.asked
        if one.method != "GET"
    ]


def titles(store: StoreServer) -> dict[str, Any]:
    return {one: document.get("title") for one, document in store.shelf.documents("tasks").items()}


# ── answers that do not come ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("fault", ["cut", "truncate", "delay"])
def test_a_reply_that_is_lost_after_the_commit_means_the_same_id_and_one_effect(
    store: StoreServer, proxy: Proxy, tmp_path: Path, database_url: str, fault: Fault
):
    with Program(tmp_path, proxy.url, remote={"timeouts": SHORT}, database=database_url) as ada:
        store.shelf.edit("tasks", "2", title="milk")
        ada.tasks.pull()
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        ada.do("UPDATE tasks SET title = 'oat milk' WHERE id = '2'")
        proxy.delay_s, proxy.rates = 2, {fault: 1.0}
        for _ in range(2):
            with pytest.raises(Postponed):
                ada.tasks.push()
            assert ada.queue() == [("pending", 0), ("pending", 0)], "an answer that was lost counts nothing"
        assert len(set(writes(store))) == 1, "a batch ends with the answer that is lost"

        proxy.rates = {}
        ada.sync()

        assert len(writes(store)) >= 4
        assert len(set(writes(store))) == 2
        assert [effect.id for effect in store.shelf.effects] == ["2", "1", "2"]
        assert ada.queue() == []
        assert ada.titles() == titles(store) == {"1": "tea", "2": "oat milk"}


@pytest.mark.parametrize("fault", ["cut", "truncate"])
def test_where_the_server_does_not_dedupe_it_is_asked_before_anything_is_sent_again(
    store: StoreServer, proxy: Proxy, tmp_path: Path, database_url: str, fault: Fault
):
    with Program(tmp_path, proxy.url, remote={"dedupes": False}, database=database_url) as ada:
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        proxy.script(fault)
        with pytest.raises(Postponed):
            ada.tasks.push()

        ada.tasks.push()

        assert [f"{one.method} {one.path}" for one in store.asked] == ["PUT /tasks/1", "GET /tasks/1"]
        assert len(store.shelf.effects) == 1
        assert ada.queue() == []


# ── pages ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("page", [1, 2, 4])
@pytest.mark.parametrize("fault", ["drop", "cut", "truncate", "slow", "twice"])
def test_whatever_becomes_of_a_page_the_cursor_never_passes_an_unapplied_change(
    store: StoreServer, proxy: Proxy, tmp_path: Path, database_url: str, fault: Fault, page: int
):
    store.shelf.fill("tasks", ((f"{number}", {"title": f"task {number}"}) for number in range(10)))
    how: dict[str, Any] = {"remote": {"timeouts": SHORT}, "database": database_url}
    with Program(tmp_path, proxy.url, page_size=3, **how) as ada:
        proxy.delay_s = 20  # a byte now and then: slowloris
        proxy.script(*["none"] * (page - 1), *[fault] * 2)
        for _ in range(2):
            try:
                ada.tasks.pull()
            except Postponed:
                state = ada.app.store.ledger.state("tasks")
                assert (state.cursor, len(ada.titles())) == (None, 3 * (page - 1))
                store.shelf.edit("tasks", "0", title="edited meanwhile")

        ada.tasks.pull()
        ada.tasks.pull()

        assert ada.titles() == titles(store)
        assert ada.app.store.ledger.state("tasks").cursor == str(store.shelf.version)


def page(number: int, *ids: int) -> dict[str, Any]:
    rows = [{"id": f"{one}", "title": f"task {one}", "version": one + 1} for one in ids]
    following = f'</tasks?_after={3 * number}&_until=9>; rel="next"'
    return {"body": {"data": rows}, "headers": {"Watermark": "9", **({"Link": following} if number else {})}}


@pytest.mark.parametrize(
    "told",
    [
        [page(1, 6, 7, 8), page(2, 3, 4, 5), page(0, 0, 1, 2)],
        [page(1, 2, 0, 1), page(2, 2, 0, 1), page(3, 5, 4, 3), page(4, 3, 4, 5), page(0, 8, 7, 6)],
        [page(1, 0, 1, 2), page(2, 0, 1, 2, 3, 4), page(0, 4, 5, 6, 7, 8, 0)],
    ],
    ids=["reordered", "duplicated", "overlapping"],
)
def test_pages_that_come_in_another_order_or_twice_are_all_applied_before_the_cursor(
    store: StoreServer, tmp_path: Path, database_url: str, told: list[dict[str, Any]]
):
    store.shelf.fill("tasks", ((f"{number}", {"title": f"task {number}"}) for number in range(9)))
    with Program(tmp_path, store.url, page_size=3, database=database_url) as ada:
        seen: list[tuple[str | None, int]] = []
        for one in told:
            store.plan(200, method="GET", **one)
        write = ada.app.store.ledger.write

        def watched(*args: Any, **more: Any) -> Any:
            done = write(*args, **more)
            if more.get("state", KEEP) is not KEEP:
                seen.append((ada.app.store.ledger.state("tasks").cursor, len(ada.titles())))
            return done

        ada.app.store.ledger.write = watched  # type: ignore[method-assign]

        ada.tasks.pull()

        assert all(rows == 9 for cursor, rows in seen if cursor is not None)
        assert seen[-1] == ("9", 9)
        assert ada.titles() == titles(store)


def test_a_pull_without_news_is_one_request_that_is_answered_304(
    store: StoreServer, tmp_path: Path, database_url: str
):
    store.shelf.fill("tasks", ((f"{number}", {"title": f"task {number}"}) for number in range(9)))
    with Program(tmp_path, store.url, page_size=3, database=database_url) as ada:
        ada.tasks.pull()
        ada.tasks.pull()
        validator = store.asked[-1].headers
        before = len(store.asked)

        done = ada.tasks.pull()

        (asked,) = store.asked[before:]
        assert (asked.method, asked.path) == ("GET", "/tasks")
        assert "if-none-match" in asked.headers, validator
        assert (done.not_modified, done.received, done.written) == (True, 0, 0)


# ── answers that say no ────────────────────────────────────────────────────────────────────────────
def test_a_throttled_push_waits_as_long_as_it_was_told_and_counts_nothing(
    store: StoreServer, tmp_path: Path, database_url: str
):
    with Program(tmp_path, store.url, database=database_url) as ada:
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 0, NULL)")
        store.plan(429, headers={"Retry-After": "600"}, method="PUT")

        with pytest.raises(Postponed) as caught:
            ada.due_push()

        assert 10 * MINUTE_US <= caught.value.wait_us <= 11 * MINUTE_US
        assert len(store.asked) == 1, "what is throttled once is throttled for the whole batch"
        ada.clock.advance("9m59s")
        with pytest.raises(Postponed):
            ada.due_push()
        assert len(store.asked) == 1
        assert ada.queue() == [("pending", 0), ("pending", 0)]
        ada.remote._patience._until_s = 0.0  # its seconds are real ones
        ada.clock.advance("2m")
        assert ada.due_push().accepted == 2


def test_a_storm_of_errors_is_met_with_waits_that_grow_to_a_cap_and_differ(
    store: StoreServer, tmp_path: Path
):
    store.plan(500, times=1000)
    waits: list[list[int]] = []
    for name in ("ada", "bob"):
        with Program(tmp_path / name, store.url) as one:
            asked = len(store.asked)
            mine: list[int] = []
            for _ in range(14):
                with pytest.raises(Postponed) as caught:
                    one.app.sync.engine.pull("tasks")
                mine.append(caught.value.wait_us)
                one.clock._wall_us += caught.value.wait_us
            assert len(store.asked) - asked == 14, "one request for each wait"
            waits.append(mine)
    ada, bob = waits
    assert ada != bob
    for mine in waits:
        assert max(mine) <= 15 * MINUTE_US
        assert max(mine[:3]) <= MINUTE_US < min(mine[-3:])


def test_a_storm_of_errors_at_a_push_is_retried_later_each_time_and_ends_in_a_dead_letter(
    store: StoreServer, tmp_path: Path, database_url: str
):
    store.plan(500, {"title": "out of cheese"}, times=1000)
    with Program(tmp_path, store.url, database=database_url) as ada:
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        waited_us: list[int] = []
        for attempt in range(1, 6):
            assert ada.due_push().sent == 1
            assert ada.due_push().sent == 0
            assert ada.queue() == [("failed" if attempt == 5 else "pending", attempt)]
            if (due_us := ada.app.store.ledger.next_due_us("tasks", ada.clock.wall_us())) is not None:
                waited_us.append(due_us - ada.clock.wall_us())
                ada.clock._wall_us = due_us
        assert len({key.split()[-1] for key in writes(store)}) == 1
        assert len(waited_us) == 4
        assert 0 < waited_us[0] <= MINUTE_US
        assert max(waited_us) <= 60 * MINUTE_US
        (letter,) = ada.tasks.dead()
        assert "out of cheese" in str(letter.change.error)


def test_who_is_not_known_waits_with_the_whole_queue_and_goes_on_where_it_was(
    store: StoreServer, tmp_path: Path, database_url: str
):
    store.token = "of tomorrow"
    known = ["of yesterday"]
    remote = {"auth": bearer(lambda: known[0])}
    with Program(tmp_path, store.url, remote=remote, database=database_url) as ada:
        ada.db.executemany("INSERT INTO tasks VALUES (?, 'tea', 0, NULL)", [(f"{n}",) for n in range(20)])
        for _ in range(5):
            with pytest.raises(Postponed):
                ada.tasks.push()
            with pytest.raises(Postponed):
                ada.due_push()
        assert len(store.asked) == 5, "one question a try, and none while it is paused"
        assert set(ada.queue()) == {("pending", 0)}
        assert ada.tasks.status().state == "unauthorized"
        assert [type(event).__name__ for event in ada.events] == ["SyncFailing"]

        known[0] = "of tomorrow"
        assert ada.tasks.push().accepted == 20

        assert [type(event).__name__ for event in ada.events] == ["SyncFailing", "SyncRecovered"]


# ── answers that mean harm ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "other"])
def test_a_redirect_to_elsewhere_is_refused_and_nothing_is_sent_there(
    store: StoreServer, tmp_path: Path, status: int, target: str
):
    with Faulty() as other, Program(tmp_path, store.url, remote={"auth": bearer("canary-token")}) as ada:
        location = {"Location": f"{other.url}/tasks" if target == "other" else target}
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        store.plan(status, headers=location, times=2)
        with pytest.raises(Postponed):
            ada.tasks.pull()

        ada.tasks.push()

        assert len(store.asked) == 2
        assert other.accepted == 0
        assert ada.queue() == [("pending", 1)]
        assert ada.app.store.ledger.state("tasks").cursor is None


@pytest.mark.parametrize("path", ["/bomb", "/flood", "/huge"])
def test_a_bomb_in_the_place_of_a_page_costs_little_and_changes_nothing(tmp_path: Path, path: str):
    with Faulty() as server, Program(tmp_path, f"{server.url}{path}") as ada:
        ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        with pytest.raises(Postponed):
            ada.tasks.pull()

        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 120_000
        assert ada.titles() == {"1": "tea"}
        assert ada.app.store.ledger.state("tasks").cursor is None
