"""Times: one spelling, microseconds that survive, and a boot that is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.clock import SystemClock, from_us, iso, to_wall_us
from windlass.testing import ManualClock

FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)
CENTURIES = st.integers(0, int((LAST - FIRST).total_seconds()) * 1_000_000).map(
    lambda us: FIRST + timedelta(microseconds=us)
)


@given(CENTURIES)
def test_microseconds_survive_there_and_back(moment: datetime) -> None:
    assert from_us(to_wall_us(moment)) == moment


@given(CENTURIES)
def test_the_contract_spelling_is_exact_to_the_millisecond_and_sorts_as_time(moment: datetime) -> None:
    told = iso(to_wall_us(moment))
    assert len(told) == 24
    assert datetime.fromisoformat(told) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert told <= iso(to_wall_us(moment) + 1000)


def test_seconds_that_follow_each_other_are_not_taken_for_one() -> None:
    assert [iso(us) for us in (0, 999_999, 1_000_000, 59_999_999, 60_000_000, 999_999)] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.999Z",
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:59.999Z",
        "1970-01-01T00:01:00.000Z",
        "1970-01-01T00:00:00.999Z",
    ]


def test_past_2038_is_a_time_like_any_other() -> None:
    assert iso(to_wall_us(datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC))) == "2038-01-19T03:14:08.000Z"


def test_an_aware_time_of_another_zone_is_the_same_moment() -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    assert to_wall_us(datetime(2026, 1, 1, 5, 45, tzinfo=zone)) == to_wall_us(
        datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_the_systems_clocks_move_on() -> None:
    clock = SystemClock()
    wall, boot = clock.wall_us(), clock.boot_us()
    assert clock.wall_us() >= wall
    assert clock.boot_us() >= boot > 0
    assert len(clock.boot_id()) > 8


def test_a_manual_clock_moves_as_it_is_told_and_no_other_way() -> None:
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    wall, boot, boot_id = clock.wall_us(), clock.boot_us(), clock.boot_id()
    clock.advance("1h")
    assert (clock.wall_us() - wall, clock.boot_us() - boot) == (3_600_000_000, 3_600_000_000)
    clock.jump(datetime(2020, 1, 1, tzinfo=UTC))
    assert (clock.now.year, clock.boot_us() - boot) == (2020, 3_600_000_000)
    assert clock.boot_id() == boot_id
    clock.reboot()
    assert clock.boot_id() != boot_id
    assert clock.boot_us() == 0
    with pytest.raises(Exception, match="expected span to be a duration"):
        clock.advance("soon")
