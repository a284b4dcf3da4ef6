"""A URL that answers, or does not: over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.device.stage import ADDRESS, Looker, Namespace
from windlass.device.reachable import Url
from windlass.facts import Verdict


class Server(ThreadingHTTPServer):
    """Answers as it is told to, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status, self.to, self.no_head = 204, "", False
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_port}/ping?full=1"


class Answering(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        self.server.asked.append((self.command, self.path))
        status = 405 if self.server.no_head and self.command == "HEAD" else self.server.status
        self.send_response(status)
        if self.server.to:
            self.send_header("Location", self.server.to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@contextmanager
def speaking(first: bytes, again: bytes = b"") -> Iterator[str]:
    """A server that says the first thing, and then the other one again and again, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def speak() -> None:
            line, _ = listener.accept()
            with line:
                try:
                    line.sendall(first)
                    while not ended.wait(0.05):
                        line.sendall(again)
                except OSError:
                    return

        thread = threading.Thread(target=speak)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        ended.set()
        thread.join()


def test_a_url_that_answers_is_reachable(server: Server):
    assert Url(server.url).ask() == Verdict(True)
    assert server.asked == [("HEAD", "/ping?full=1")]


@pytest.mark.parametrize("status", [200, 204, 401, 404])
def test_any_answer_of_the_host_itself_counts(server: Server, status: int):
    server.status = status
    assert Url(server.url).ask().holds


@pytest.mark.parametrize("status", [500, 502, 503, 511])
def test_a_server_that_fails_is_not_reachable(server: Server, status: int):
    server.status = status
    assert Url(server.url).ask() == Verdict(False, f"answered {status}")


def test_a_captive_portal_is_seen_by_where_it_leads(server: Server):
    server.status, server.to = 302, "http://login.portal.example/welcome"

    assert Url(server.url).ask() == Verdict(
        False, "answered by a redirect to login.portal.example: a captive portal?"
    )
    assert len(server.asked) == 1


@pytest.mark.parametrize("to", ["/elsewhere", "https://127.0.0.1/ping", "//www.127.0.0.1/"])
def test_a_redirect_within_the_host_is_an_answer(server: Server, to: str):
    server.status, server.to = 301, to
    assert Url(server.url).ask().holds


def test_a_redirect_to_nowhere_is_none(server: Server):
    server.status, server.to = 302, "http://[broken/"
    assert Url(server.url).ask() == Verdict(False, "answered by a redirect to nowhere: a captive portal?")


def test_a_server_without_head_is_asked_by_get(server: Server):
    server.no_head = True

    assert Url(server.url).ask().holds
    assert [method for method, _ in server.asked] == ["HEAD", "GET"]


def test_a_server_that_hangs_does_not_answer():
    with speaking(b"") as url:
        assert Url(url, step_s=0.2).ask() == Verdict(False, "no answer within 0.2 s")


def test_a_server_that_never_comes_to_an_end_does_not_answer_either():
    with speaking(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n") as url:
        assert not Url(url, step_s=30, total_s=0.3).ask().holds


def test_what_is_no_http_is_no_answer():
    with speaking(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        assert Url(url, step_s=5).ask() == Verdict(False, "no answer (BadStatusLine)")


def test_a_port_where_nobody_listens_is_not_reachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert Url(f"http://127.0.0.1:{port}/").ask() == Verdict(False, "no answer (Connection refused)")


def test_a_certificate_of_somebody_else_is_no_answer(server: Server):
    assert not Url(server.url.replace("http:", "https:")).ask().holds


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_a_change_of_the_network_is_when_it_is_asked_again(namespace: Namespace):
    # Through a route that is cut: nothing but a change of the network asks again in time.
    url = f"http://{ADDRESS}:8000/"
    with namespace.serving(8000), Looker(f'{{"reachable":"{url}"}}', inside=namespace) as looker:
        looker.until_open()

        namespace.ip("link set lo down")
        namespace.ip(f"addr del {ADDRESS}/24 dev out")
        looker.until_blocked("reachable", f"reachable waits for {url}")

        namespace.ip("link set lo up")
        namespace.ip(f"addr add {ADDRESS}/24 dev out")
        looker.until_open()
