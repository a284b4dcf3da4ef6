"""The bad way to a good server, and what the transport makes of each fault of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.waiting import until
from tests.sync.conftest import SHORT
from tests.sync.servers.faulty import Faulty
from tests.sync.servers.proxy import Proxy
from windlass.backoff import Backoff
from windlass.demo.server.store import StoreServer
from windlass.errors import Offline
from windlass.sync.http import Timeouts, Transport
from windlass.sync.live import Pokes


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def proxy(store: StoreServer) -> Iterator[Proxy]:
    with Proxy(store.url) as one:
        yield one


@pytest.fixture
def tasks(proxy: Proxy) -> Iterator[Transport]:
    with Transport(f"{proxy.url}/tasks", timeouts=SHORT) as transport:
        yield transport


def put(tasks: Transport, key: str, n: int = 0) -> int:
    return tasks.request("PUT", key, json={"n": n}, headers={"Idempotency-Key": f"k-{key}"}).status


@pytest.mark.parametrize("fault", ["none", "delay", "slow", "twice"])
def test_an_answer_that_comes_in_an_odd_way_is_an_answer(
    store: StoreServer, proxy: Proxy, tasks: Transport, fault: str
) -> None:
    proxy.script(*[fault] * 4)  # type: ignore[list-item]
    assert [put(tasks, str(n), n) for n in range(4)] == [201] * 4
    assert store.shelf.documents("tasks") == {str(n): {"n": n} for n in range(4)}


def test_a_request_that_is_dropped_has_no_effect(store: StoreServer, proxy: Proxy, tasks: Transport) -> None:
    proxy.script("drop")
    with pytest.raises(Offline) as caught:
        put(tasks, "1")
    assert caught.value.applied is None
    assert store.shelf.effects == []


@pytest.mark.parametrize("fault", ["cut", "truncate"])
def test_an_answer_that_is_cut_leaves_its_effect_and_a_resend_has_no_second_one(
    store: StoreServer, proxy: Proxy, tasks: Transport, fault: str
) -> None:
    proxy.script(fault)  # type: ignore[arg-type]
    with pytest.raises(Offline) as caught:
        put(tasks, "1")
    assert caught.value.applied is None
    assert len(store.shelf.effects) == 1
    assert put(tasks, "1") == 201
    assert len(store.shelf.effects_of("k-1")) == 1


def test_a_write_on_a_kept_connection_that_is_cut_is_not_repeated_unseen(
    store: StoreServer, proxy: Proxy, tasks: Transport
) -> None:
    proxy.script("none", "cut", "none")
    assert put(tasks, "1") == 201
    with pytest.raises(Offline) as caught:
        put(tasks, "2")
    assert caught.value.applied is None
    assert put(tasks, "2") == 201
    assert len(store.shelf.effects_of("k-2")) == 1


def test_a_network_that_is_away_is_offline_and_comes_back(
    store: StoreServer, proxy: Proxy, tasks: Transport
) -> None:
    assert put(tasks, "1") == 201
    proxy.down()
    with pytest.raises(Offline) as caught:
        put(tasks, "2")
    assert caught.value.applied is False
    proxy.up()
    assert put(tasks, "2") == 201


def test_a_seed_gives_the_same_faults_each_time(store: StoreServer) -> None:
    rates = {"drop": 0.2, "cut": 0.2, "truncate": 0.1, "twice": 0.1}

    def run(seed: int) -> list[str]:
        with Proxy(store.url, seed=seed, rates=rates) as proxy:  # type: ignore[arg-type]
            with Transport(f"{proxy.url}/tasks", timeouts=SHORT) as tasks:
                for n in range(40):
                    try:
                        tasks.request("GET", str(n), headers={"Connection": "close"})
                    except Offline:
                        continue
            return [one.fault for one in proxy.passed]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert set(first) >= {"none", "drop", "cut"}


def test_every_write_gets_through_in_the_end_and_once(store: StoreServer) -> None:
    rates = {"drop": 0.15, "cut": 0.15, "truncate": 0.1, "twice": 0.1, "slow": 0.05}
    with (
        Proxy(store.url, seed=3, rates=rates, delay_s=0.001) as proxy,  # type: ignore[arg-type]
        Transport(f"{proxy.url}/tasks", timeouts=Timeouts(connect=2, read=2, total=5)) as tasks,
    ):
        waiting = [str(n) for n in range(60)]
        while waiting:
            try:
                assert put(tasks, waiting[0], int(waiting[0])) == 201
            except Offline:
                continue
            waiting.pop(0)
        assert proxy.count("drop", "cut", "truncate") > 10
    assert store.shelf.documents("tasks") == {str(n): {"n": n} for n in range(60)}
    assert len(store.shelf.effects) == 60


def test_events_come_through(store: StoreServer, proxy: Proxy) -> None:
    poked: list[int] = []
    quick = Backoff.exponential("1ms", cap="10ms")
    with (
        Transport(proxy.url) as transport,
        Pokes(transport, "/_events", lambda: poked.append(1), backoff=quick),
    ):
        until(lambda: store.streams)
        store.shelf.edit("tasks", "1", title="a")
        until(lambda: len(poked) == 2)
        proxy.hang_up()
        until(lambda: len(poked) == 3)


@pytest.mark.parametrize("path", ["/flood", "/ok"])
def test_answers_in_chunks_come_through_too(path: str) -> None:
    with Faulty() as server:
        server.canned["/flood"] = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n4;x=y\r\n you\r\n0\r\n\r\n"
        )
        with Proxy(server.url) as proxy, Transport(proxy.url, timeouts=SHORT) as transport:
            assert [transport.request("GET", path).status for _ in range(2)] == [200, 200]
