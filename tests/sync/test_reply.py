"""What an answer says between the lines: when to come back, where to go on, what is wrong."""

from __future__ import annotations

import json

import pytest

from windlass.redact import conceal
from windlass.sync.reply import AFTER_S_MAX, PROBLEM_BYTES_MAX, Headers, Reply, shown

NOW = 1_800_000_000  # Fri, 15 Jan 2027 08:00:00 GMT
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


def after(received_s: float = NOW, **headers: str) -> float | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(429, named, received_s=received_s).retry_after_s


# ── when to come back ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": " 1.5 "}, 1.5),
        ({"Retry_After": "0"}, 0),
        ({"Retry_After": "Fri, 15 Jan 2027 08:01:30 GMT"}, 90),
        ({"Retry_After": "Friday, 15-Jan-27 08:01:30 GMT"}, 90),
        ({"Retry_After": "2027-01-15T08:01:30Z"}, 90),
        ({"Retry_After": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "9" * 18}, AFTER_S_MAX),
        ({"Retry_After": "9" * 400}, None),
        ({"Retry_After": "Fri, 99 Foo 9999 99:99:99 GMT"}, None),
        ({"Backoff": "30"}, 30),
        ({"Backoff": "30", "Retry_After": "7"}, 30),
        ({"RateLimit": '"default";r=0;t=50'}, 50),
        ({"RateLimit": '"default";r=10;t=50'}, None),
        ({"RateLimit": '"minute";r=3;t=50, "hour";r=0;t=600'}, 600),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"RateLimit": "limit=100, remaining=5, reset=50"}, None),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "50"}, 50),
        ({"RateLimit_Remaining": "1", "RateLimit_Reset": "50"}, None),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "50"}, 50),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(NOW + 50)}, 50),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str((NOW + 50) * 1000)}, 50),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(NOW - 50)}, 0),
        ({"X_Rate_Limit_Remaining": "0", "X_Rate_Limit_Reset": "50"}, 50),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "50", "Retry_After": "7"}, 7),
        ({"X_RateLimit_Remaining": "0"}, None),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], wait: float | None) -> None:
    assert after(**headers) == wait


def test_a_date_is_read_by_the_servers_own_clock() -> None:
    """A laptop whose clock is a day slow would wait a day, and one that is fast not at all."""
    for ours in (NOW - 86_400, NOW, NOW + 86_400):
        assert after(ours, Retry_After="Fri, 15 Jan 2027 08:01:30 GMT", Date=DATE) == 90
        assert after(ours, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(NOW + 50), Date=DATE) == 50


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": "private, Max-Age = 60", "Age": "20"}, 40),
        ({"Cache-Control": "max-age=60", "Age": "90"}, 0),
        ({"Cache-Control": "no-cache, max-age=60"}, 0),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "max-age=soon"}, None),
    ],
)
def test_how_long_an_answer_stays_fresh(headers: dict[str, str], age: float | None) -> None:
    assert Reply(200, headers).max_age_s == age


# ── where to go on ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("link", "links"),
    [
        ("", {}),
        ('<https://x.test/p2>; rel="next"', {"next": "https://x.test/p2"}),
        ("</p2?a=1,2>;rel=next", {"next": "https://api.test/p2?a=1,2"}),
        (
            '<?page=2>; title="a, <b>; rel=no"; rel="next last"',
            {
                "next": "https://api.test/tasks?page=2",
                "last": "https://api.test/tasks?page=2",
            },
        ),
        ('<p1>; rel="prev", <p3>; REL=Next', {"prev": "https://api.test/p1", "next": "https://api.test/p3"}),
        ("<a>; rel=next, <b>; rel=next", {"next": "https://api.test/a"}),
        ("<a>", {}),
        ("rel=next", {}),
        ("<", {}),
    ],
)
def test_links_are_told_by_relation_and_absolute(link: str, links: dict[str, str]) -> None:
    assert Reply(200, {"link": link}, url="https://api.test/tasks").links == links


def test_a_long_link_header_is_read_in_linear_time() -> None:
    # Work that grows faster than the header would outlast the suite's patience.
    assert Reply(200, {"link": "<a>; " * 20_000 + "x" * 50_000}).links == {}
    assert Reply(200, {"link": "<a>" + " ;" * 50_000}).links == {}
    assert Reply(200, {"ratelimit": "r=" + "0" * 90_000}).retry_after_s is None


def test_headers_are_found_whatever_their_case() -> None:
    headers = Headers([("ETag", '"1"'), ("Link", "<a>"), ("link", "<b>")])
    assert headers["etag"] == headers["ETAG"] == '"1"'
    assert headers["Link"] == "<a>, <b>"
    assert "eTag" in headers
    assert 7 not in headers
    assert len(headers) == 2


# ── what is wrong ─────────────────────────────────────────────────────────────────────────────────
def test_a_problem_document_is_kept_as_it_is() -> None:
    document = {"type": "about:blank", "title": "Out of credit", "detail": "Ä", "balance": 30, "more": [None]}
    reply = Reply(403, {"content-type": "application/problem+json"}, json.dumps(document).encode())
    assert json.loads(reply.problem() or "") == document
    assert reply.title == "403 Forbidden: Out of credit: Ä"


def test_a_problem_document_is_stored_without_secrets() -> None:
    conceal("known-canary")
    document = {
        "detail": "Authorization: Bearer canary-0123456789 was given, and known-canary",
        "api_key": {"deep": "canary"},
        "given": [{"password": "canary", "name": "ann"}],
        "known-canary": 1,
    }
    told = Reply(400, {}, json.dumps(document).encode()).problem() or ""
    assert "canary" not in told
    assert json.loads(told)["given"] == [{"password": "[redacted]", "name": "ann"}]


def test_a_long_problem_is_cut_and_still_json() -> None:
    document = {"title": "Many", "errors": ["ü" * 50] * 1000}
    reply = Reply(422, {}, json.dumps(document).encode())
    told = reply.problem() or ""
    assert len(told.encode()) <= PROBLEM_BYTES_MAX
    assert json.loads(told)["title"] == "422 Unprocessable Entity: Many"


@pytest.mark.parametrize(
    ("body", "kind", "title", "problem"),
    [
        (b"", "", "500 Internal Server Error", None),
        (b"no such\n table\0", "text/plain", "500 Internal Server Error: no such table", "no such table"),
        (b"<html>oh</html>", "text/html", "500 Internal Server Error", "<html>oh</html>"),
        (b"[1, 2]", "application/json", "500 Internal Server Error", "[1,2]"),
        (b'{"error": {"code": 7}}', "", "500 Internal Server Error", '{"error":{"code":7}}'),
        (
            b'{"error": "x", "message": "x"}',
            "",
            "500 Internal Server Error: x",
            '{"error":"x","message":"x"}',
        ),
        (b"\xff\xfe", "", "500 Internal Server Error: ��", "��"),
    ],
)
def test_an_error_is_told_in_a_line(body: bytes, kind: str, title: str, problem: str | None) -> None:
    reply = Reply(500, {"content-type": kind}, body)
    assert (reply.title, reply.problem()) == (title, problem)


def test_a_status_that_nobody_knows_is_its_number() -> None:
    assert Reply(599).title == "599"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://x.test/a?b=c", "https://x.test/a?b=…"),
        ("https://x.test/a#b", "https://x.test/a"),
        ("https://ann:canary@x.test/", "https://[redacted]@x.test/"),
        ("https://x.test/?canary", "https://x.test/?…"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, text: str) -> None:
    assert shown(url) == text
