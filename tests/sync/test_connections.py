"""Connections that end, stall or lie: every failure has a name, a bound, and a known fate."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.sync.conftest import SHORT
from tests.sync.servers.faulty import Faulty
from windlass import clock
from windlass.errors import Offline
from windlass.sync.exchange import Exchange, meanwhile
from windlass.sync.http import Timeouts, Transport


# ── connections ──
def test_a_server_that_is_not_there_is_offline_and_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Transport(f"http://127.0.0.1:{port}") as transport, pytest.raises(Offline) as caught:
        transport.request("POST", json={})
    assert caught.value.applied is False


def test_a_name_that_nobody_knows_is_offline_and_got_nothing() -> None:
    with Transport("http://no-such-host.invalid") as transport, pytest.raises(Offline) as caught:
        transport.request("POST", json={})
    assert caught.value.applied is False


def test_a_server_that_speaks_no_tls_is_offline_and_got_nothing(server: Faulty) -> None:
    server.canned["/"] = b"what?"
    with (
        Transport(f"https://127.0.0.1:{server.port}", timeouts=SHORT) as transport,
        pytest.raises(Offline) as caught,
    ):
        transport.request("POST", json={"canary": 1})
    assert caught.value.applied is False


class Private(Faulty):
    """Speaks TLS, with a certificate that it made itself."""

    def __init__(self, folder: Path) -> None:
        key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        make = (
            "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=here"
        )
        files = ["-keyout", key, "-out", self.certificate, "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*make.split(), *files], check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)
        super().__init__()

    def _talk(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as private:
            super()._talk(private)


def test_a_certificate_that_nobody_vouches_for_is_offline_and_got_nothing(tmp_path: Path) -> None:
    with Private(tmp_path) as server:
        url = server.url.replace("http:", "https:")
        with Transport(url) as transport, pytest.raises(Offline, match="certificate") as caught:
            transport.request("POST", json={"canary": 1})
        assert caught.value.applied is False
        assert server.asked == []
        vouched = ssl.create_default_context(cafile=server.certificate)
        with Transport(url, verify=vouched) as transport:
            assert [transport.request("GET", "/x").status for _ in range(2)] == [200, 200]
            with pytest.raises(Offline) as caught:
                transport.request("POST", "/cut", json={})
        assert caught.value.applied is None
    assert server.accepted == 2


@pytest.mark.parametrize("how", ["cut", "reset", "truncated", "truncated-chunks"])
def test_a_reply_cut_after_the_server_committed_may_have_been_applied(
    server: Faulty, transport: Transport, how: str
) -> None:
    with pytest.raises(Offline) as caught:
        transport.request("POST", f"/{how}", json={})
    assert caught.value.applied is None
    assert server.paths() == [f"/{how}"]


def test_a_connection_is_kept(server: Faulty, transport: Transport) -> None:
    for _ in range(5):
        transport.request("GET", "/x")
    assert server.accepted == 1


def test_a_restarted_server_is_spoken_to_at_once(server: Faulty, transport: Transport) -> None:
    transport.request("GET", "/x")
    server.down()
    server.up()
    assert transport.request("POST", "/x", json={}).status == 200
    assert server.accepted == 2


def test_a_connection_that_ends_under_a_request_is_no_failure_where_a_repeat_is_safe(
    server: Faulty, transport: Transport
) -> None:
    transport.request("GET", "/last")
    assert transport.request("GET", "/x").status == 200
    assert server.accepted == 2


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_connection_that_ends_under_a_write_is_for_the_push_to_repeat(
    server: Faulty, transport: Transport, headers: dict[str, str]
) -> None:
    """It knows then that the first one may have arrived, which a silent second one could hide."""
    transport.request("GET", "/last")
    with pytest.raises(Offline) as caught:
        transport.request("POST", "/x", json={}, headers=headers)
    assert caught.value.applied is None
    assert server.accepted == 1


def test_a_new_connection_that_ends_is_a_failure_at_once(server: Faulty, transport: Transport) -> None:
    with pytest.raises(Offline):
        transport.request("GET", "/cut")
    assert len(server.asked) == 1


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_ones(
    server: Faulty, transport: Transport
) -> None:
    for page in ("1", "2", "3"):
        assert transport.request("GET", "/twice", params={"page": page}).json() == {
            "target": f"/twice?page={page}"
        }
    assert server.accepted == 3


def test_after_a_fork_a_process_opens_connections_of_its_own(
    server: Faulty, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.request("GET", "/x")
    kept = transport._opened
    assert kept is not None
    monkeypatch.setattr("windlass.sync.http.os.getpid", lambda: -1)
    transport.request("GET", "/x")
    assert server.accepted == 2
    kept[1].close()


# ── time ──
@pytest.mark.parametrize("how", ["slow-head", "slow-body"])
def test_a_slow_loris_is_left_when_the_time_of_the_whole_request_is_up(server: Faulty, how: str) -> None:
    timeouts = Timeouts(connect=2, read=5, total=0.2)
    with Transport(server.url, timeouts=timeouts) as transport, pytest.raises(Offline) as caught:
        transport.request("POST", f"/{how}", json={})
    assert "whole request" in str(caught.value)
    assert caught.value.applied is None


def test_work_is_done_while_an_answer_is_waited_for_and_its_time_is_not_the_requests(server: Faulty) -> None:
    seen: list[list[str]] = []

    def work() -> None:
        while not server.paths():
            clock.sleep(0.01)
        until = clock.monotonic() + 0.5
        while clock.monotonic() < until:
            clock.sleep(0.01)
        seen.append(server.paths())

    timeouts = Timeouts(connect=2, read=5, total=0.5)
    with Transport(server.url, timeouts=timeouts) as transport, meanwhile(work):
        assert transport.request("GET", "/x").status == 200
        assert transport.request("GET", "/x").status == 200
    assert seen == [["/x"]], "once, when the request had arrived"


def test_work_that_fails_ends_its_request_and_no_other(server: Faulty) -> None:
    def work() -> None:
        raise LookupError("of the caller's own")

    with Transport(server.url) as transport:
        with pytest.raises(LookupError), meanwhile(work):
            transport.request("GET", "/x")
        assert transport.request("GET", "/y").status == 200


def test_a_silent_server_is_left_after_the_read_timeout(server: Faulty) -> None:
    timeouts = Timeouts(connect=2, read=0.05, total=30)
    with Transport(server.url, timeouts=timeouts) as transport, pytest.raises(Offline, match="silent"):
        transport.request("GET", "/silent")


def test_a_request_can_be_stopped_from_another_thread(server: Faulty) -> None:
    exchange = Exchange()
    failed: list[Exception] = []

    def ask() -> None:
        try:
            with transport.stream("/silent", exchange=exchange):
                pass
        except Offline as error:
            failed.append(error)

    with Transport(server.url) as transport:
        thread = threading.Thread(target=ask)
        thread.start()
        assert server.sending.wait(10)
        exchange.abort()
        thread.join(10)
    assert "stopped" in str(failed[0])
