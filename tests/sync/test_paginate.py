"""The styles of pages: what is asked for, and what the page after is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import BadResponse, ConfigError
from windlass.sync.paginate import (
    ContentRange,
    Keyset,
    LinkHeader,
    NextCursor,
    NextLink,
    Offset,
    OnePage,
    PageNumber,
    PageStyle,
    checked_page_style,
    count_of,
    shortened,
)
from windlass.sync.places import Field, Header, Told
from windlass.sync.remote import Ask
from windlass.sync.reply import Reply

HERE = "https://api.example.com/v1/tasks?limit=2"


def told(
    count: int = 2,
    page: str | None = None,
    *,
    limit: int = 2,
    total: int | None = None,
    body: Any = None,
    url: str = HERE,
    **headers: str,
) -> Told:
    rows = [{"id": number} for number in range(count)]
    reply = Reply(200, headers, json.dumps(rows if body is None else body).encode(), url)
    return Told(reply, rows, Ask(None, page, None, limit), total)


def test_one_page_is_all():
    assert OnePage().next(told()) is None


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://api.example.com/v1/tasks?page=2", "https://api.example.com/v1/tasks?page=2"),
        ("/v1/tasks?page=2", "https://api.example.com/v1/tasks?page=2"),
        ("?page=2", "https://api.example.com/v1/tasks?page=2"),
    ],
)
def test_a_link_is_resolved_against_the_page_that_it_stands_on(link: str, address: str):
    assert LinkHeader().next(told(Link=f'<{link}>; rel="next"')) == address
    assert NextLink(Field("links.next")).next(told(body={"links": {"next": link}})) == address
    assert NextLink(Header("X-Next")).next(told(**{"X-Next": link})) == address


def test_a_page_without_a_link_is_the_last():
    assert LinkHeader().next(told(Link='<https://api.example.com/x>; rel="prev"')) is None
    assert NextLink(Field("links.next")).next(told(body={"links": {"next": None}})) is None
    assert NextLink(Header("X-Next")).next(told()) is None


def test_a_link_to_the_page_itself_is_no_endless_pull():
    with pytest.raises(BadResponse, match="leads to itself"):
        LinkHeader().next(told(Link=f'<{HERE}>; rel="next"'))


def test_a_cursor_is_in_the_body_or_in_a_header():
    assert NextCursor("after", Field("meta.next")).next(told(body={"meta": {"next": "abc"}})) == "abc"
    assert NextCursor("after", Header("X-Next")).next(told(**{"X-Next": "abc"})) == "abc"
    assert NextCursor("after", Field("meta.next")).next(told(body={"meta": {"next": ""}})) is None
    assert NextCursor("after", Field("next")).ask("abc", 10).params == {"after": "abc"}
    assert NextCursor("after", Field("next")).ask(None, 10).params == {}
    with pytest.raises(BadResponse, match="again"):
        NextCursor("after", Field("next")).next(told(page="abc", body={"next": "abc"}))


def walk(
    style: PageStyle, size: int, *, limits: list[int], cap: int = 1000, total: bool = False
) -> list[int]:
    """The rows that a server of ``size`` rows, with pages of at most ``cap``, tells by numbers or offsets."""
    seen: list[int] = []
    page: str | None = None
    for turn in range(5 * size + 5):
        limit = limits[min(turn, len(limits) - 1)]
        params = style.ask(page, limit).params
        step = min(limit, cap)
        begin = int(params["offset"]) if "offset" in params else (int(params["page"]) - 1) * step
        rows = list(range(size))[begin : begin + step]
        seen += rows
        page = style.next(told(len(rows), page, limit=limit, total=size if total else None))
        if page is None:
            return seen
    raise AssertionError("the pages have no end")


@given(size=st.integers(0, 40), limit=st.integers(1, 10), total=st.booleans())
def test_offsets_and_numbers_tell_every_row_once(size: int, limit: int, total: bool):
    assert walk(Offset(), size, limits=[limit], total=total) == list(range(size))
    assert walk(PageNumber(), size, limits=[limit], total=total) == list(range(size))


@given(
    size=st.integers(0, 40),
    limits=st.lists(st.integers(1, 10), min_size=1, max_size=8),
    cap=st.integers(1, 12),
    total=st.booleans(),
)
def test_pages_that_shrink_or_grow_on_the_way_pass_no_row_over(
    size: int, limits: list[int], cap: int, total: bool
):
    assert set(walk(Offset(), size, limits=limits, cap=cap, total=total)) == set(range(size))
    assert set(walk(PageNumber(), size, limits=limits, cap=cap, total=total)) == set(range(size))


@given(size=st.integers(0, 40), cap=st.integers(1, 10))
def test_a_server_whose_pages_are_shorter_than_asked_for_is_not_cut_short(size: int, cap: int):
    assert walk(Offset(), size, limits=[10], cap=cap) == list(range(size))
    assert walk(PageNumber(), size, limits=[10], cap=cap) == list(range(size))


def test_the_number_of_pages_may_be_told():
    style = PageNumber(pages=Field("pages"))

    second = style.next(told(body={"pages": 2}))
    assert second is not None
    assert style.ask(second, 2).params == {"page": "2"}
    assert style.next(told(0, page=second, body={"pages": 2})) is None
    zero_based = PageNumber(first=0, pages=Header("X-Pages"))
    assert zero_based.ask(None, 2).params == {"page": "0"}
    assert zero_based.next(told(**{"X-Pages": "1"})) is None
    assert zero_based.next(told(**{"X-Pages": "2"})) is not None


def test_a_keyset_goes_on_after_the_last_row():
    assert Keyset("after").next(told(2)) == "1"
    assert Keyset("after").ask("1", 10).params == {"after": "1"}
    assert Keyset("after").next(told(0, page="1")) is None
    with pytest.raises(BadResponse, match="again"):
        Keyset("after").next(told(2, page="1"))
    with pytest.raises(BadResponse, match="each row to tell key"):
        Keyset("after", "key").next(told(2))


@pytest.mark.parametrize(
    ("range_", "page"),
    [("0-1/5", "2"), ("items 0-1/5", "2"), ("3-4/5", None), ("0-1/*", "2"), ("*/0", None), ("*/*", None)],
)
def test_a_content_range_tells_where_to_go_on(range_: str, page: str | None):
    assert ContentRange().next(told(**{"Content-Range": range_})) == page


def test_a_content_range_that_says_nothing_is_a_bad_answer():
    with pytest.raises(BadResponse, match="Content-Range"):
        ContentRange().next(told())


def test_how_many_rows_there_are_may_be_told_in_several_ways():
    assert count_of(Header("Total"), Reply(200, {"Total": "12"})) == 12
    assert count_of(Header("Content-Range"), Reply(200, {"Content-Range": "0-9/12"})) == 12
    assert count_of(Header("Content-Range"), Reply(200, {"Content-Range": "0-9/*"})) is None
    assert count_of(Field("meta.total"), Reply(200, {}, b'{"meta": {"total": 12}}')) == 12
    assert count_of(None, Reply(200)) is None


def test_a_link_is_made_to_ask_for_fewer_rows_and_never_for_more():
    url = "https://x/t?a=b%26c&_limit=1000&_token=a%3D%3D"

    assert shortened(url, "_limit", 500) == "https://x/t?a=b%26c&_limit=500&_token=a%3D%3D"
    assert shortened(url, "_limit", 2000) == url
    assert shortened(url, None, 1) == url
    assert shortened("https://x/t?_limit=all", "_limit", 1) == "https://x/t?_limit=all"


@pytest.mark.parametrize("style", [None, "next", LinkHeader, object()])
def test_what_is_no_style_is_refused(style: Any):
    with pytest.raises(ConfigError, match="a style such as"):
        checked_page_style(style)
