"""What the demo of sync is made of: its rows, its server's process, its moods and its network."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from windlass.demo.server.moody import WRITES, MoodyServer
from windlass.demo.server.store import StoreServer
from windlass.demo.sync.host import Host
from windlass.demo.sync.tables import CHOICE, Tables, find_tables
from windlass.demo.sync.tale import ELSEWHERE
from windlass.demo.sync.wire import Wire
from windlass.demo.victims import still_runs
from windlass.errors import Offline
from windlass.sync.http import Transport


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(params=["iso", "stdlib"])
def tables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Tables:
    monkeypatch.setenv(CHOICE, request.param)
    return find_tables()


def test_there_are_thousands_of_real_rows(tables: Tables) -> None:
    rows = tables.rows()
    assert set(rows) == {one.name for one in tables.collections}
    assert sum(len(found) for found in rows.values()) > 10_000


def test_a_limit_leaves_the_rows_that_are_told_of(tables: Tables) -> None:
    rows = tables.rows(5)
    assert all(len(rows[one.name]) == 5 for one in tables.collections if one.name != tables.tale.table)
    assert tables.tale.ids <= rows[tables.tale.table].keys()
    assert tables.tale.inserted not in rows[tables.tale.table]


# ── the server ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def moody() -> Iterator[MoodyServer]:
    with MoodyServer() as server:
        yield server


@pytest.fixture
def host() -> Iterator[Host]:
    with Host(3) as one:
        yield one


def test_a_moody_server_hangs_up_after_its_work_and_does_nothing_twice(moody: MoodyServer) -> None:
    hung_up = min(number for number, mood in WRITES.items() if mood == "hung up")
    with Transport(f"{moody.url}/notes") as notes:
        for number in range(1, hung_up):
            notes.request("PUT", str(number), json={}, headers={"Idempotency-Key": f"key-{number}"})
        with pytest.raises(Offline):
            notes.request("PUT", "last", json={}, headers={"Idempotency-Key": "key-last"})
        again = notes.request("PUT", "last", json={}, headers={"Idempotency-Key": "key-last"})
    assert again.headers["idempotency-replayed"] == "true"
    tally = moody.tally()
    assert (tally.effects, tally.replayed, tally.twice) == (hung_up, 1, [])
    assert tally.moods == {"hung up": 1}


def test_a_moody_server_leaves_a_question_for_news_in_peace(moody: MoodyServer) -> None:
    with Transport(f"{moody.url}/notes") as notes:
        for _ in range(50):
            assert notes.request("GET", headers={"If-None-Match": '"0"'}).status == 304
        found = [notes.request("GET").status for _ in range(5)]
    assert found == [200, 200, 200, 200, 500]


def test_the_server_s_process_says_what_it_keeps_and_ends_when_nobody_listens(host: Host) -> None:
    tables = find_tables()
    assert sum(host.rows.values()) == sum(len(rows) for rows in tables.rows(3).values())
    host.edit_elsewhere()
    found = host.documents()[tables.tale.table]
    assert {found[id_]["note"] for id_ in tables.tale.elsewhere} == {ELSEWHERE}
    assert host.tally().effects == 0
    host.close()
    assert still_runs({host.pid}) == []


def test_the_good_server_runs_as_a_program_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "windlass.demo.server", "--seed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        table = find_tables().tale.table
        with urlopen(f"{url}/{table}?_limit=2") as answer:
            assert len(json.load(answer)["data"]) == 2
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


# ── the network ──────────────────────────────────────────────────────────────────────────────────────
def test_a_wire_carries_until_it_is_cut_and_again_when_it_is_mended() -> None:
    with StoreServer() as server, Wire(server.url) as wire, Transport(f"{wire.url}/notes") as notes:
        assert notes.request("PUT", "1", json={"a": 1}).status == 201
        wire.down()
        with pytest.raises(Offline):
            notes.request("GET", "1")
        wire.up()
        assert notes.request("GET", "1").json()["a"] == 1
