"""The kinds of cursors: what is asked for with one, and what the next one is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import BadResponse, ConfigError
from windlass.sync.cursors import Serial, Since, Timestamp, Token
from windlass.sync.places import Field, Header, Told
from windlass.sync.remote import Ask
from windlass.sync.reply import Reply


def told(
    rows: list[dict[str, Any]] | None = None,
    *,
    cursor: str | None = None,
    page: str | None = None,
    body: Any = None,
    **headers: str,
) -> Told:
    content = json.dumps(rows if body is None else body).encode()
    return Told(Reply(200, headers, content, "https://x/t"), rows or [], Ask(cursor, page, None, 100))


def test_the_first_pages_version_counts_however_many_follow():
    since = Since("_since")

    assert since.watermark(told(ETag='"7"')) == '"7"'
    assert since.watermark(told(page="2", ETag='"8"')) is None
    assert since.ask(None) == {}
    assert since.ask('"7"') == {"_since": '"7"'}


def test_a_version_may_be_in_the_body_and_be_written_otherwise():
    since = Since("filter", Field("meta.version"), format="version>{}")

    assert since.watermark(told(body={"meta": {"version": 7}})) == "7"
    assert since.ask("7") == {"filter": "version>7"}


def test_a_token_of_the_last_page_is_the_one():
    token = Token("syncToken", Field("nextSyncToken"))

    assert token.watermark(told(body={"nextPageToken": "p2"})) is None
    assert token.watermark(told(page="p2", body={"nextSyncToken": "s9"})) == "s9"


def test_a_serial_is_the_largest_one_told_and_never_falls_back():
    serial = Serial("after", "seq")

    assert serial.watermark(told([{"seq": 3}, {"seq": 5}])) == "5"
    assert serial.watermark(told([{"seq": 3}], cursor="9")) == "9"
    assert serial.watermark(told([], cursor="9")) == "9"
    assert serial.watermark(told([])) is None
    assert serial.watermark(told([], cursor="4", page="2")) is None, "an empty last page takes nothing back"


@pytest.mark.parametrize("value", [None, "x", 1.5, True, {}])
def test_a_serial_that_is_no_number_is_a_bad_answer(value: Any):
    with pytest.raises(BadResponse, match="whole number"):
        Serial("after", "seq").watermark(told([{"seq": value}]))


@pytest.mark.parametrize(
    ("cursor", "rows"),
    [
        (Serial("after", "seq"), [{"seq": 5}, {"seq": 3}]),
        (
            Timestamp(parameter="since"),
            [{"updated_at": "2026-11-21T12:00:05Z"}, {"updated_at": "2026-11-21T12:00:03Z"}],
        ),
    ],
)
def test_rows_out_of_order_are_refused_as_a_change_could_be_passed_over(
    cursor: Serial | Timestamp, rows: list[dict[str, Any]]
):
    with pytest.raises(BadResponse, match="in the order of"):
        cursor.watermark(told(rows))


def test_a_time_is_asked_for_a_little_before():
    since = Timestamp(parameter="since", overlap="5s")

    assert since.ask("2026-11-21T12:00:03.250+00:00") == {"since": "2026-11-21T11:59:58.250000Z"}
    assert since.ask("2026-11-21T14:00:03.250+02:00") == {"since": "2026-11-21T11:59:58.250000Z"}
    assert since.ask("2026-11-21T12:00:03") == {"since": "2026-11-21T11:59:58.000000Z"}
    assert since.ask(None) == {}


@pytest.mark.parametrize(
    ("unit", "cursor", "asked"),
    [("s", "1700000010", "1700000005"), ("ms", "1700000010250", "1700000005250"), ("s", "10.5", "5.5")],
)
def test_times_may_be_numbers(unit: str, cursor: str, asked: str):
    assert Timestamp(parameter="since", unit=unit).ask(cursor) == {"since": asked}


def test_the_largest_time_of_a_page_is_the_watermark_as_the_server_wrote_it():
    since = Timestamp(parameter="since")
    rows = [{"updated_at": "2026-11-21T12:00:01Z"}, {"updated_at": "2026-11-21T14:00:02.5+02:00"}]

    assert since.watermark(told(rows)) == "2026-11-21T14:00:02.5+02:00"
    assert since.watermark(told(rows, cursor="2026-11-22T00:00:00Z")) == "2026-11-22T00:00:00Z"
    assert since.watermark(told([], cursor="2026-11-22T00:00:00Z")) == "2026-11-22T00:00:00Z"
    assert since.watermark(told([], cursor="2026-11-22T00:00:00Z", page="2")) is None


def test_a_server_that_cannot_sort_is_asked_by_its_own_clock_of_the_first_page():
    since = Timestamp(parameter="since", clock=Header("Date"))
    unsorted = [{"updated_at": "2026-11-21T12:00:05Z"}, {"updated_at": "2026-11-21T12:00:03Z"}]

    assert since.watermark(told(unsorted, Date="Sat, 21 Nov 2026 12:00:09 GMT")) == (
        "2026-11-21T12:00:09.000000Z"
    )
    assert since.watermark(told(unsorted, page="2", Date="Sat, 21 Nov 2026 12:00:19 GMT")) is None
    with pytest.raises(BadResponse, match="Date"):
        since.watermark(told(unsorted))
    with pytest.raises(BadResponse, match="Date"):
        since.watermark(told(unsorted, Date="noon"))


@pytest.mark.parametrize("value", [None, "noon", 7, "2026-13-01"])
def test_a_row_without_a_time_is_a_bad_answer(value: Any):
    with pytest.raises(BadResponse, match="updated_at"):
        Timestamp(parameter="since").watermark(told([{"updated_at": value}]))


@given(
    times=st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), min_size=1),  # noqa: DTZ001
    unit=st.sampled_from(["iso", "%Y-%m-%d %H:%M:%S.%f"]),
)
def test_whatever_the_times_every_later_row_is_asked_for(times: list[datetime], unit: str):
    since = Timestamp(parameter="since", unit=unit, overlap="1s")
    rows = [{"updated_at": since.written(time.replace(tzinfo=UTC))} for time in sorted(times)]

    cursor = since.watermark(told(rows))

    assert cursor is not None
    asked = since.parsed(since.ask(cursor)["since"])
    assert asked == max(times).replace(tzinfo=UTC) - timedelta(seconds=1)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Since(""),
        lambda: Since("a b"),
        lambda: Since("since", format="since"),
        lambda: Token("a=b", Header("X")),
        lambda: Serial("after", "a..b"),
        lambda: Timestamp(parameter="since", overlap=0),
        lambda: Timestamp(parameter="since", unit="days"),
        lambda: Timestamp(parameter="since", format="{} {}"),
        lambda: Header("no header"),
        lambda: Field(""),
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_declared(build: Any):
    with pytest.raises(ConfigError):
        build()
