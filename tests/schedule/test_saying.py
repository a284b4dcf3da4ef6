"""What people ask for, what is kept of it, and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import ConfigError, InvalidJob
from windlass.schedule import (
    Cron,
    Daily,
    Every,
    Once,
    Rule,
    Spec,
    describe,
    from_text,
    parse,
    spec_for,
    to_text,
)
from windlass.schedule.cron import checked_cron

MINUTE, HOUR = 60_000_000, 3_600_000_000


def asked(**how: Any) -> Rule:
    return parse(local_zone=lambda: "Europe/Zurich", **how)


@pytest.mark.parametrize(
    ("how", "rule", "said"),
    [
        ({"every": "5m"}, Every(5 * MINUTE), "every 5 minutes"),
        ({"every": timedelta(hours=1)}, Every(HOUR), "every hour"),
        ({"every": 90}, Every(90_000_000), "every 90 seconds"),
        ({"every": 0.25}, Every(250_000), "every 250ms"),
        ({"every": "1h", "fixed": "delay"}, Every(HOUR, from_end=True), "1h after the end of each run"),
        ({"cron": " 0 3  * * mon "}, Cron("0 3 * * mon", "Europe/Zurich"),
         "cron 0 3 * * mon (Europe/Zurich)"),
        ({"cron": "0 0 3 * * *", "tz": "UTC"}, Cron("0 0 3 * * *", "UTC"), "cron 0 0 3 * * * (UTC)"),
        ({"at": "07:30"}, Daily((27_000,), "Europe/Zurich"), "at 07:30 Europe/Zurich"),
        ({"at": "7:30:15", "tz": ZoneInfo("Asia/Tokyo")}, Daily((27_015,), "Asia/Tokyo"),
         "at 07:30:15 Asia/Tokyo"),
        ({"at": ["19:00", time(7, 30), "7:30"]}, Daily((27_000, 68_400), "Europe/Zurich"),
         "at 07:30 and 19:00 Europe/Zurich"),
        ({"at": ("00:00", "08:00", "16:00"), "tz": "UTC"}, Daily((0, 28_800, 57_600), "UTC"),
         "at 00:00, 08:00 and 16:00 UTC"),
        ({"at": datetime(2026, 12, 24, 18, tzinfo=timezone(timedelta(hours=1)))}, Once(1_798_131_600_000_000),
         "once at 2026-12-24 17:00:00 UTC"),
    ],
)  # fmt: skip
def test_what_is_asked_for_becomes_a_rule_and_a_sentence(how: dict[str, Any], rule: Rule, said: str) -> None:
    assert asked(**how) == rule
    assert describe(rule) == said
    assert from_text(to_text(spec_for(rule))).rule == rule


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "expected one of every, cron and at, got none of them"),
        ({"every": "1h", "cron": "* * * * *"}, "got every and cron"),
        ({"every": "1h", "at": "07:30", "cron": "* * * * *"}, "got every and cron and at"),
        ({"every": "1ms"}, "at least 100ms"),
        ({"every": "soon"}, "a duration"),
        ({"every": "1h", "tz": "UTC"}, "has no time zone"),
        ({"every": "1h", "fixed": "floating"}, '"rate" or "delay"'),
        ({"cron": "* * * * *", "fixed": "delay"}, "it goes with every, not with cron"),
        ({"cron": "0 0 30 2 *"}, "can come true, got '0 0 30 2 \\*': Bad day-of-month"),
        ({"cron": "* * */20 * 1L"}, "no day fits it"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "@daily"}, "expected cron to have 5 fields"),
        ({"cron": ""}, "1 to 256 characters"),
        ({"cron": "1," * 200 + "1 * * * *"}, "1 to 256 characters"),
        ({"cron": 5}, "expected cron to be a text"),
        ({"at": "24:00"}, 'from "00:00" to "23:59:59"'),
        ({"at": "07:30:15.5"}, 'from "00:00" to "23:59:59"'),
        ({"at": "noon"}, "got 'noon'"),
        ({"at": []}, "got none"),
        ({"at": 7}, "got 7"),
        ({"at": ["07:30", datetime(2026, 12, 24, tzinfo=UTC)]}, "one aware datetime"),
        ({"at": time(7, 30, tzinfo=UTC)}, "without zone"),
        ({"at": datetime(2026, 12, 24)}, "expected at to be an aware datetime"),  # noqa: DTZ001
        ({"at": datetime(2026, 12, 24, tzinfo=UTC), "tz": "UTC"}, "has its own zone"),
        ({"at": "07:30", "tz": "Europe/Zurch"}, "no zone 'Europe/Zurch': did you mean Europe/Zurich"),
        ({"at": "07:30", "tz": UTC}, "expected tz to be the name of a zone"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_way_out(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        asked(**how)


def test_a_machine_that_cannot_tell_its_zone_asks_for_one() -> None:
    def unknown() -> str:
        raise ConfigError("/etc/localtime does not tell the name")

    with pytest.raises(InvalidJob, match=r"expected tz, as this machine.*: /etc/localtime does not tell"):
        parse(at="07:30", local_zone=unknown)
    with pytest.raises(InvalidJob, match=r"expected tz, as this machine.*: there is no zone 'CET-1CEST'"):
        parse(at="07:30", local_zone=lambda: "CET-1CEST")
    assert parse(every="1h", local_zone=unknown) == Every(HOUR)


@pytest.mark.parametrize(
    ("rule", "longest"),
    [
        (Every(HOUR), HOUR),
        (Daily((0, 82_800), "UTC"), HOUR),
        (Daily((0,), "UTC"), 24 * HOUR),
        (Cron("*/5 9-17 * * MON-FRI", "UTC"), 5 * MINUTE),
        (Cron("59 23 * * *", "UTC"), 24 * HOUR),
        (Cron("0,59 0,23 * * *", "UTC"), MINUTE),
        (Cron("0 0 1,31 * *", "UTC"), 24 * HOUR),
        (Cron("* * * * * *", "UTC"), 1_000_000),
        (Cron("0 0 * 2 MON#5", "UTC"), (28 * 365 + 7) * 24 * HOUR),
    ],
)
def test_flex_is_shorter_than_the_time_between_two_runs(rule: Rule, longest: int) -> None:
    assert spec_for(rule, flex=timedelta(microseconds=longest - 1)).flex == longest - 1
    with pytest.raises(InvalidJob, match=r"expected flex to be shorter than the .* between two runs"):
        spec_for(rule, flex=timedelta(microseconds=longest))


@pytest.mark.parametrize(
    ("rule", "how", "message"),
    [
        (Every(HOUR), {"missed": "some"}, 'expected missed to be "latest"'),
        (Every(HOUR), {"missed_most": 0}, "expected missed_most to be a positive integer, got 0"),
        (Every(HOUR), {"overlap": "no"}, "expected overlap to be True or False"),
        (Every(HOUR), {"initial_delay": "later"}, "initial_delay"),
        (Every(HOUR, from_end=True), {"missed": "all"}, "misses nothing"),
        (Every(HOUR, from_end=True), {"overlap": True}, "cannot overlap"),
        (Once(0), {"initial_delay": "5m"}, "give the moment in at alone"),
    ],
)
def test_options_that_contradict_the_rule_are_refused(rule: Rule, how: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        spec_for(rule, **how)


@given(st.text("0123456789*/,-#LW MONFRIJAN", max_size=30))
def test_any_text_is_a_cron_that_comes_true_or_an_error_that_says_why(text: str) -> None:
    try:
        found = checked_cron(text)
    except InvalidJob:
        return
    assert Cron(found, "UTC").next_after(0, 0) is not None


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────


def test_only_what_is_not_the_default_is_stored() -> None:
    assert to_text(spec_for(Every(HOUR))) == '{"every":3600000000}'
    assert to_text(spec_for(Cron("0 3 * * *", "UTC"))) == '{"cron":"0 3 * * *","tz":"UTC"}'
    assert (
        to_text(spec_for(Daily((27_000,), "UTC"), flex="5m")) == '{"at":[27000],"tz":"UTC","flex":300000000}'
    )
    assert to_text(spec_for(Once(5), missed="skip")) == '{"once":5,"missed":"skip"}'


def test_what_is_stored_can_be_read_back() -> None:
    spec = spec_for(
        Every(HOUR), initial_delay="5s", flex="1m", missed="all", missed_most=7, overlap=True, queue="mail",
        priority=3, max_attempts=7, tags=("a",), constraints='{"charging":true}', timeout=30_000_000,
    )  # fmt: skip
    assert from_text(to_text(spec)) == spec


def test_what_an_older_one_stored_is_still_read() -> None:
    text = (
        '{"every": 3600000000, "initial_delay": 5, "queue": "mail", "priority": 3, "max_attempts": 7, '
        '"tags": ["a"]}'
    )
    spec = from_text(text)
    assert spec == Spec(every=HOUR, initial_delay=5, queue="mail", priority=3, max_attempts=7, tags=("a",))
    assert spec.longest_wait_us(has_run=False) == HOUR


@pytest.mark.parametrize(
    "text", ['{"every": 3600000000, "version": 2}', '{"every": 3600000000, "moon": "full"}']
)
def test_what_a_newer_one_stored_is_refused_by_that_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"written by a newer Windlass \((version 2|with moon).*upgrade"):
        from_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", '{"every": 0}', '{"every": -5}', '{"every": "1h"}', '{"every": 5}',
        '{"every": 3600000000, "cron": "* * * * *"}', '{"cron": "0 0 30 2 *", "tz": "UTC"}',
        '{"cron": "* * * * *"}', '{"cron": "* * * * *", "tz": "Mars/Olympus"}',
        '{"at": [86400], "tz": "UTC"}',
        '{"at": [5, 4], "tz": "UTC"}', '{"at": [-1], "tz": "UTC"}', '{"every": 3600000000, "flex": -1}',
        '{"every": 3600000000, "missed": "never"}', '{"every": 3600000000, "missed_most": 0}',
        '{"every": 3600000000, "version": "two"}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_text(text)
