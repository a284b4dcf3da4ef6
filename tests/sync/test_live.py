"""Live pokes: they come, they come again after every kind of trouble, and they stop when they are told to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from tests.service.waiting import until
from tests.sync.servers.faulty import Faulty
from windlass.backoff import Backoff
from windlass.demo.server.serving import message
from windlass.demo.server.store import StoreServer
from windlass.errors import BadResponse
from windlass.sync.events import EVENT_BYTES_MAX, Reader
from windlass.sync.http import Transport
from windlass.sync.live import Pokes
from windlass.sync.secrets import Secret, env

QUICK = Backoff.exponential("1ms", cap="20ms")


class Poked:
    """Counts pokes, and lets a test wait for the next ones."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1

    def times(self, count: int) -> None:
        until(lambda: self.count >= count)


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def live(store: StoreServer) -> Iterator[Transport]:
    with Transport(store.url) as transport:
        yield transport


def test_each_event_is_a_poke_and_so_is_the_connection(store: StoreServer, live: Transport) -> None:
    poked = Poked()
    with Pokes(live, "/_events", poked, backoff=QUICK) as pokes:
        poked.times(1)
        until(lambda: store.streams)
        store.shelf.edit("tasks", "1", title="a")
        poked.times(2)
        assert pokes.live
    assert not pokes.live


def test_a_server_that_restarts_is_listened_to_again(
    store: StoreServer, live: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    poked = Poked()
    with (
        caplog.at_level(logging.INFO, "windlass.sync"),
        Pokes(live, "/_events", poked, backoff=QUICK) as pokes,
    ):
        poked.times(1)
        store.down()
        until(lambda: "no live pokes" in caplog.text)
        failed = pokes._failures
        until(lambda: pokes._failures > failed + 2)
        store.up()
        until(lambda: "live again" in caplog.text)
    assert caplog.text.count("no live pokes") == 1


def test_a_stream_goes_on_after_the_last_event(store: StoreServer, live: Transport) -> None:
    poked = Poked()
    with Pokes(live, "/_events", poked, backoff=QUICK):
        until(lambda: store.streams)
        version = store.shelf.edit("tasks", "1", title="a")
        poked.times(2)
        store.hang_up()
        poked.times(3)
    assert store.asked[-1].headers["last-event-id"] == str(version)


def test_a_silent_stream_is_given_up_for_dead(store: StoreServer, live: Transport) -> None:
    store.heartbeat_s = 60
    poked = Poked()
    with Pokes(live, "/_events", poked, backoff=QUICK, silence_s=0.05):
        poked.times(3)


def test_heartbeats_keep_a_quiet_stream(store: StoreServer, live: Transport) -> None:
    store.heartbeat_s = 0.01
    poked = Poked()
    with Pokes(live, "/_events", poked, backoff=QUICK, silence_s=0.5):
        until(lambda: store.streams)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 0.6)
    assert len(store.asked) == 1


def test_a_poke_that_fails_is_logged_and_the_next_one_comes(
    store: StoreServer, live: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    poked = Poked()

    def fail() -> None:
        poked()
        raise ValueError("my own fault")

    with Pokes(live, "/_events", fail, backoff=QUICK):
        until(lambda: store.streams)
        store.shelf.edit("tasks", "1", title="a")
        poked.times(2)
    assert "my own fault" in caplog.text


@pytest.mark.parametrize("path", ["/portal", "/cut", "/silent", "/guarded", "/ok"])
def test_an_outage_is_logged_once_whatever_it_is(path: str, caplog: pytest.LogCaptureFixture) -> None:
    poked = Poked()
    with Faulty() as server, Transport(server.url) as transport:
        with Pokes(transport, path, poked, backoff=QUICK, silence_s=0.02):
            until(lambda: len(server.asked) > 3)
        assert caplog.text.count("no live pokes") == 1
    assert poked.count == 0


def test_a_secret_that_is_missing_is_an_outage_and_no_error(
    store: StoreServer, caplog: pytest.LogCaptureFixture
) -> None:
    headers: dict[str, str | Secret] = {"X-Key": env("WINDLASS_TEST_NOT_SET")}
    with (
        Transport(store.url, headers=headers) as transport,
        Pokes(transport, "/_events", Poked(), backoff=QUICK),
    ):
        until(lambda: "WINDLASS_TEST_NOT_SET is not set" in caplog.text)


def test_a_server_that_wants_a_pause_gets_it() -> None:
    with Faulty() as server, Transport(server.url) as transport:
        server.canned["/busy"] = message(503, {"Retry-After": "60"})
        pokes = Pokes(transport, "/busy", Poked(), backoff=QUICK)
        assert pokes._pause_s(BadResponse("busy", after_s=60)) >= 60
        with pokes:
            until(lambda: server.asked)
            until(lambda: pokes._failures)
        assert len(server.asked) == 1


def test_a_long_poll_pokes_when_there_is_news(store: StoreServer, live: Transport) -> None:
    poked = Poked()
    with Pokes(live, lambda: f"/_poll?since={store.shelf.version}", poked, kind="poll", gap_s=0.01):
        until(lambda: store.asked)
        assert poked.count == 0
        store.shelf.edit("tasks", "1", title="a")
        poked.times(1)
    assert store.accepted <= 2


def test_a_long_poll_without_news_pokes_nobody(store: StoreServer, live: Transport) -> None:
    store.poll_s = 0.005
    poked = Poked()
    with Pokes(live, "/_poll?since=0", poked, kind="poll", gap_s=0.001):
        until(lambda: len(store.asked) > 3)
    assert poked.count == 0


def test_an_answer_that_was_known_is_no_news(store: StoreServer, live: Transport) -> None:
    store.shelf.edit("tasks", "1", title="a")
    poked = Poked()
    with Pokes(live, "/_poll?since=0", poked, kind="poll", gap_s=0.001):
        until(lambda: len(store.asked) > 3)
    assert poked.count == 1


def test_polls_keep_their_distance(store: StoreServer, live: Transport) -> None:
    store.shelf.edit("tasks", "1", title="a")
    with Pokes(live, "/_poll?since=0", Poked(), kind="poll", gap_s=30) as pokes:
        until(lambda: store.asked)
        until(lambda: not pokes.live)
    assert len(store.asked) == 1


@pytest.mark.parametrize("path", ["/silent", "/slow-head"])
def test_it_stops_at_once_in_the_middle_of_a_wait(path: str) -> None:
    with Faulty() as server, Transport(server.url) as transport:
        pokes = Pokes(transport, path, Poked(), silence_s=60)
        pokes.start()
        until(lambda: server.asked)
        pokes.stop()  # it waits for its thread, but not for as long as the server is silent
        assert not any(one.name == "windlass-pokes" for one in threading.enumerate())


def test_it_stops_at_once_between_two_attempts() -> None:
    with Faulty() as server, Transport(server.url) as transport:
        slow = Backoff.exponential("1h", cap="1h", jitter="none")
        pokes = Pokes(transport, "/cut", Poked(), backoff=slow)
        pokes.start()
        until(lambda: pokes._failures)
        pokes.stop()
        assert not any(one.name == "windlass-pokes" for one in threading.enumerate())


# ── the format ────────────────────────────────────────────────────────────────────────────────────
STREAM = (
    b"\xef\xbb\xbfretry: 1500\r\n: a comment\r\nid: 1\r\nevent: change\r\ndata: a\r\ndata:  b\r\n\r\n"
    b"data\n\ndata:c\rid: 2\r\rid: bad\0id\nretry: soon\nunknown: x\n\nid: 3\ndata: never ended\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_whatever_the_pieces(size: int) -> None:
    reader = Reader()
    events = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]
    assert events == [("change", "a\n b"), ("message", ""), ("message", "c")]
    assert (reader.last_id, reader.retry_s) == ("2", 1.5)


def test_an_event_that_was_cut_is_dropped_with_its_id() -> None:
    reader = Reader()
    assert list(reader.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")) == [("message", "a")]
    reader.begin()
    assert reader.last_id == "1"
    assert list(reader.feed(b"data: c\n\n")) == [("message", "c")]
    assert reader.last_id == "1"


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000 + b"\n", b"x" * 1000])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    reader = Reader()

    def feed() -> None:
        for _ in range(EVENT_BYTES_MAX // 1000 + 2):
            list(reader.feed(line))

    with pytest.raises(BadResponse, match="more than"):
        feed()
