"""The transport: where a request goes, what is followed, and what is told of it."""

from __future__ import annotations

import logging
import threading

import httpx2
import pytest

from tests.service.waiting import until
from tests.sync.conftest import SHORT
from tests.sync.servers.faulty import Faulty
from windlass.demo.server.serving import message
from windlass.errors import BadResponse, ConfigError, Offline, Unauthorized
from windlass.sync.http import Transport
from windlass.sync.secrets import secret


# ── where a request goes ──
@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("", "/api/tasks"),
        ("7", "/api/tasks/7"),
        ("7?full=1", "/api/tasks/7?full=1"),
        ("?page=2", "/api/tasks?page=2"),
        ("/other", "/other"),
        ("/other?x=1#part", "/other?x=1"),
        ("a%2Fb", "/api/tasks/a%2Fb"),
    ],
)
def test_a_url_is_relative_to_the_base(server: Faulty, url: str, target: str) -> None:
    with Transport(f"{server.url}/api/tasks") as transport:
        assert transport.request("GET", url).json()["target"] == target
        assert transport.request("GET", f"{server.url}{target}").json()["target"] == target


def test_a_query_of_the_base_is_part_of_it(server: Faulty) -> None:
    with Transport(f"{server.url}/tasks?list=home") as transport:
        assert transport.request("GET", params={"page": 2}).json()["target"] == "/tasks?list=home&page=2"
        assert transport.request("GET", "7").json()["target"] == "/tasks/7"


def test_parameters_come_behind_those_of_the_url(transport: Transport) -> None:
    reply = transport.request("GET", "/x?a=1", params={"b": [1, "zwei &"], "c": True, "d": None, "e": "+"})
    assert reply.json()["target"] == "/x?a=1&b=1&b=zwei+%26&c=true&e=%2B"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "//127.0.0.1:1/x",
        "https://127.0.0.1/x",
        "http://ann@127.0.0.1/x",
        "http://127.0.0.1\\@example.com/x",
        "file:///etc/passwd",
        "http://[",
    ],
)
def test_a_link_to_another_origin_is_not_followed(server: Faulty, transport: Transport, url: str) -> None:
    with pytest.raises(BadResponse):
        transport.request("GET", url)
    assert server.accepted == 0


def test_a_link_that_carries_credentials_is_not_followed(server: Faulty, transport: Transport) -> None:
    with pytest.raises(BadResponse, match="carries credentials"):
        transport.request("GET", f"http://ann:canary@127.0.0.1:{server.port}/x")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.com", "begins with https"),
        ("example.com/tasks", "begins with https"),
        ("https://", "begins with https"),
        ("https://exa mple.com", "begins with https"),
        ("https://example.com:port", "begins with https"),
        ("https://ann:canary@example.com", "auth=basic"),
        ("https://example.com/#part", "without a fragment"),
    ],
)
def test_a_base_url_that_cannot_be_right_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        Transport(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.example.com:443/x", "https://api.example.com"),
        ("http://example.com:8080", "http://example.com:8080"),
        ("http://[::1]:80/x", "http://[::1]"),
    ],
)
def test_the_origin_has_one_spelling(url: str, origin: str) -> None:
    assert Transport(url).origin == origin


# ── redirects ──
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_followed(server: Faulty, transport: Transport, status: int) -> None:
    server.redirects["/old/place"] = (status, "../new?x=1")
    reply = transport.request("GET", "/old/place")
    assert reply.json()["target"] == "/new?x=1"
    assert reply.url == f"{server.url}/new?x=1"


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_keeps_the_body(
    server: Faulty, transport: Transport, status: int
) -> None:
    server.redirects["/old"] = (status, "/new")
    assert transport.request("POST", "/old", json={"a": 1}).json() == {
        "method": "POST",
        "target": "/new",
        "body": '{"a":1}',
    }


def test_a_redirect_that_would_turn_a_write_into_a_read_is_the_answer(
    server: Faulty, transport: Transport
) -> None:
    server.redirects["/old"] = (303, "/new")
    assert transport.request("POST", "/old", json={}).status == 303
    assert server.paths() == ["/old"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/iam/", "https://evil.example/", "//evil.example/x"],
)
def test_a_redirect_to_another_origin_is_refused(
    server: Faulty, transport: Transport, location: str, method: str
) -> None:
    server.redirects["/old"] = (307, location)
    with pytest.raises(BadResponse, match="another origin"):
        transport.request(method, "/old")


def test_a_redirect_to_another_port_of_the_host_is_refused(server: Faulty, transport: Transport) -> None:
    with Faulty() as other:
        server.redirects["/old"] = (302, f"{other.url}/x")
        with pytest.raises(BadResponse, match="another origin"):
            transport.request("GET", "/old")
        assert other.accepted == 0


def test_a_circle_of_redirects_ends(server: Faulty, transport: Transport) -> None:
    server.redirects["/round"] = (302, "/round")
    with pytest.raises(BadResponse, match="more than 5 redirects"):
        transport.request("GET", "/round")
    assert len(server.asked) == 6


# ── headers, secrets, the log ──
def test_an_etag_goes_back_as_it_came(server: Faulty, transport: Transport) -> None:
    server.canned["/x"] = message(200, {"ETag": '"caf\xe9"'})
    etag = transport.request("GET", "/x").headers["ETAG"]
    transport.request("PUT", "/y", headers={"If-Match": etag}, content=b"")
    assert server.asked[-1].headers["if-match"] == '"caf\xe9"'


def test_a_header_that_would_begin_another_is_refused_and_not_shown(server: Faulty) -> None:
    headers = {"X-Key": secret(lambda: "canary-value\r\nX-Evil: 1")}
    with Transport(server.url, headers=headers) as transport, pytest.raises(ConfigError) as caught:
        transport.request("GET")
    assert "canary" not in str(caught.value)
    assert server.accepted == 0


def test_nothing_tells_a_secret(server: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    server.canned["/echo"] = message(
        403, {"Content-Type": "application/json"}, b'{"error": "no rights for canary-key-1 at all"}'
    )
    with caplog.at_level(logging.DEBUG):
        transport = Transport(server.url, headers={"X-Key": secret(lambda: "canary-key-1")}, timeouts=SHORT)
        texts = [repr(transport)]
        reply = transport.request("GET", "/echo", params={"sig": "canary-key-2"})
        texts += [repr(reply), repr(reply.headers), reply.title, str(reply.problem())]
        for path in ("/cut", "/portal", "/truncated"):
            with pytest.raises((Offline, BadResponse)) as caught:
                transport.request("GET", path, params={"sig": "canary-key-2"}).json()
            texts += [str(caught.value), repr(caught.value)]
        transport.close()
    assert server.asked[0].headers["x-key"] == "canary-key-1"
    assert "canary" not in "\n".join([*texts, caplog.text])
    assert "403 Forbidden: no rights for [redacted] at all" in texts


def test_each_request_is_one_line_of_the_log(transport: Transport, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "windlass.sync"):
        transport.request("GET", "/x", params={"_since": 7})
    (record,) = caplog.records
    assert "/x?_since=…: 200, " in record.getMessage()


def test_a_401_without_credentials_is_unauthorized(transport: Transport) -> None:
    with pytest.raises(Unauthorized, match="401 Unauthorized"):
        transport.request("GET", "/guarded")


def test_a_transport_of_the_users_own_is_used() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/away":
            raise httpx2.ConnectError("no route")
        return httpx2.Response(200, json={"path": request.url.path})

    with Transport("https://api.example.com", transport=httpx2.MockTransport(answer)) as transport:
        assert transport.request("GET", "/here").json() == {"path": "/here"}
        with pytest.raises(Offline) as caught:
            transport.request("POST", "/away")
    assert caught.value.applied is False


def test_declaring_a_transport_imports_no_client() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from windlass.sync.http import Transport; Transport('https://x.example');"
        "print([one for one in sys.modules if one.startswith('http') and one[-1] == '2'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_many_threads_share_a_transport(server: Faulty, transport: Transport) -> None:
    statuses: list[int] = []

    def ask() -> None:
        for n in range(5):
            statuses.append(transport.request("GET", f"/x/{n}").status)  # noqa: PERF401 - one by one

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: not any(thread.is_alive() for thread in threads))
    assert statuses == [200] * 30
