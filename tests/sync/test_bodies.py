"""Bodies that are too large, too deep, damaged, or no JSON at all: bounded memory and a clear error."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from tests.sync.servers.faulty import Faulty, bomb
from windlass.demo.server.serving import message
from windlass.errors import BadResponse, InvalidDocument
from windlass.sync.http import Limits, Reply, Transport


# ── bodies ──
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:]) + bytes(8)),
        ("deflate", lambda body: __import__("zlib").compress(body)),
        ("deflate", lambda body: __import__("zlib").compress(body, wbits=-15)),
        ("identity", lambda body: body),
    ],
)
def test_a_compressed_answer_is_read(
    server: Faulty, transport: Transport, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = json.dumps({"data": [{"id": n, "title": f"note {n}"} for n in range(5000)]}).encode()
    server.canned["/packed"] = message(200, {"Content-Encoding": encoding}, pack(body))
    assert transport.request("GET", "/packed").content == body


def test_a_gzip_bomb_is_left_before_it_costs_memory(server: Faulty) -> None:
    with Transport(server.url) as transport:
        transport.request("GET", "/x")
        tracemalloc.start()
        try:
            with pytest.raises(BadResponse, match="times as many"):
                transport.request("GET", "/bomb")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 << 20


def test_a_bomb_in_one_piece_is_no_heavier(server: Faulty) -> None:
    server.canned["/piece"] = message(200, {"Content-Encoding": "gzip"}, b"".join(bomb(50 << 20)))
    with Transport(server.url) as transport:
        transport.request("GET", "/x")
        tracemalloc.start()
        try:
            with pytest.raises(BadResponse, match="times as many"):
                transport.request("GET", "/piece")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 << 20


def test_a_body_without_end_is_left_at_the_limit(server: Faulty) -> None:
    with Transport(server.url, limits=Limits(body=1 << 20)) as transport:
        with pytest.raises(BadResponse, match=r"more than 1,048,576 bytes.*smaller pages"):
            transport.request("GET", "/flood")
        assert transport.request("GET", "/x").status == 200


def test_a_body_that_says_it_is_too_large_is_not_read(transport: Transport) -> None:
    with pytest.raises(BadResponse, match="1,099,511,627,776 bytes"):
        transport.request("GET", "/huge")


def test_a_compressed_answer_that_ends_in_its_middle_is_no_answer(transport: Transport) -> None:
    with pytest.raises(BadResponse, match="ends in its middle"):
        transport.request("GET", "/truncated-gzip")


def test_a_damaged_compressed_answer_is_no_answer(server: Faulty, transport: Transport) -> None:
    server.canned["/odd"] = message(200, {"Content-Encoding": "gzip"}, b"not gzip at all")
    with pytest.raises(BadResponse, match="damaged"):
        transport.request("GET", "/odd")


def test_a_compression_that_was_not_asked_for_is_refused(server: Faulty, transport: Transport) -> None:
    server.canned["/odd"] = message(200, {"Content-Encoding": "br"}, b"whatever")
    with pytest.raises(BadResponse, match="compressed as 'br'"):
        transport.request("GET", "/odd")


def test_json_at_the_limit_of_depth_is_read(transport: Transport) -> None:
    assert transport.request("GET", "/deep/64").json()


@pytest.mark.parametrize("depth", [65, 900, 10_000])
def test_json_that_is_too_deep_is_refused(transport: Transport, depth: int) -> None:
    with pytest.raises(BadResponse, match="nested"):
        transport.request("GET", f"/deep/{depth}").json()


def test_a_captive_portal_is_told_from_the_api(transport: Transport) -> None:
    reply = transport.request("GET", "/portal")
    with pytest.raises(BadResponse, match=r"200 with what is not JSON \(text/html.*Accept the terms"):
        reply.json()


@pytest.mark.parametrize("body", [b"[NaN]", b'["\\ud800"]', b'["\xff"]', b"[1e999]", b"", b"{} {}"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadResponse, match="not JSON"):
        Reply(200, {}, body).json()


@pytest.mark.parametrize(
    "document", [float("nan"), [float("inf")], {"a": {"b": [1, -float("inf")]}}, {"a": "\ud800"}, object()]
)
def test_what_json_cannot_hold_is_not_sent(server: Faulty, transport: Transport, document: Any) -> None:
    with pytest.raises(InvalidDocument):
        transport.request("POST", json=document)
    assert server.accepted == 0


def test_a_document_that_is_too_deep_is_not_sent(transport: Transport) -> None:
    document: list[Any] = []
    for _ in range(10_000):
        document = [document]
    with pytest.raises(InvalidDocument, match="deeper than 64"):
        transport.request("POST", json=document)
