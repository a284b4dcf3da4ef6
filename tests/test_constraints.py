"""What must hold, as values: checked, written down, and compared with what is known of a device."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.constraints import Constraints, blocked_by, from_text, to_text
from windlass.errors import InvalidJob
from windlass.facts import DeviceState, Fact, Files, Idle, Network, Power, Storage, Unknown, Verdict

GB = 10**9
URL = "https://example.com/ping"

fields = st.fixed_dictionaries(
    {},
    optional={
        "network": st.sampled_from(["connected", "unmetered", "not_roaming"]),
        "reachable": st.sampled_from([URL, "http://localhost:8080/"]),
        "charging": st.booleans(),
        "battery_not_low": st.booleans(),
        "idle": st.booleans()
        | st.integers(1, 10**6)
        | st.timedeltas(timedelta(seconds=1), timedelta(days=9)),
        "storage_not_low": st.booleans() | st.integers(2, 10**15),
        "files": st.lists(st.sampled_from(["a/*.csv", "b.txt", "/tmp/*"]), min_size=1),
        "when": st.sampled_from(["weekend", "vpn:up"]),
    },
)


def reasons(
    constraints: Constraints, *, since_us: int | None = None, now_us: int = 0, **facts: Fact
) -> list[str]:
    state = DeviceState(now_us=now_us, facts=facts)
    return [blocked.reason for blocked in blocked_by(constraints, state, since_us=since_us)]


# ── written down ─────────────────────────────────────────────────────────────────────────────────
@given(fields)
def test_what_is_written_is_read_as_it_was(given: dict[str, Any]):
    constraints = Constraints(**given)
    text = to_text(constraints)

    assert (Constraints() if text is None else from_text(text)) == constraints


@given(fields, fields)
def test_equal_constraints_are_equal_texts_and_others_are_not(one: dict[str, Any], other: dict[str, Any]):
    first, second = Constraints(**one), Constraints(**other)

    assert (first == second) == (to_text(first) == to_text(second))


@given(fields)
def test_the_text_has_sorted_names_and_no_defaults(given: dict[str, Any]):
    text = to_text(Constraints(**given)) or "{}"
    asked = json.loads(text)

    assert list(asked) == sorted(asked)
    assert all(asked.values())


def test_one_thing_has_one_spelling():
    spellings: list[dict[str, Any]] = [
        {"idle": "5m", "storage_not_low": "2GB", "files": "in/*"},
        {"idle": 300, "storage_not_low": 2 * GB, "files": ["in/*", "in/*"]},
        {"idle": timedelta(minutes=5), "storage_not_low": "2000 MB", "files": ("in/*",), "debounce": 1},
    ]

    texts = {to_text(Constraints(**each)) for each in spellings}

    assert texts == {'{"files":["in/*"],"idle":"300s","storage_not_low":2000000000}'}


def test_where_nothing_must_hold_there_is_no_text():
    assert to_text(None) is None
    assert to_text(Constraints(charging=False, idle=False)) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"charging":true,"moon":"full"}', "knows no constraint moon, only network, reachable"),
        ("[]", "expected constraints to be a JSON object"),
        ("{", "expected constraints to be a JSON object"),
        ('{"idle":"-5m"}', "expected idle to be a duration"),
        ('{"network":1}', 'expected network to be "connected"'),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_the_reason(text: str, fault: str):
    with pytest.raises(InvalidJob, match=fault):
        from_text(text)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("network", "wifi", 'expected network to be "connected", "unmetered" or "not_roaming", got'),
        ("charging", "yes", "expected charging to be True or False, got 'yes'"),
        ("battery_not_low", None, "expected battery_not_low to be True or False"),
        ("idle", "a while", "expected idle to be a duration"),
        ("idle", 0, 'expected idle to be True or a span such as "5m", got no time at all'),
        ("storage_not_low", "2 parsecs", "expected storage_not_low to be True or a size"),
        ("storage_not_low", -1, "expected storage_not_low to be True or a size"),
        ("reachable", "example.com", 'expected reachable to be a URL such as "https://example.com/ping"'),
        ("reachable", "ftp://example.com/", "expected reachable to be a URL"),
        ("reachable", "https://example.com:port/", "expected reachable to be a URL"),
        ("reachable", "https://me:secret@example.com/", "got one with a user or a fragment"),
        ("files", "inbox/", "got the folder 'inbox/'"),
        ("files", "**/x.csv", "expected wildcards in the last part of files alone"),
        ("files", [7], "expected files to be names"),
        ("files", 7, "expected files to be names"),
        ("files", [f"{n}.csv" for n in range(33)], "at most 32 names, got 33"),
        ("debounce", "2s", "expected files beside debounce"),
        ("when", "two words", "expected when to be 1 to 128 letters"),
    ],
)
def test_what_cannot_be_right_is_named(field: str, value: object, fault: str):
    with pytest.raises(InvalidJob, match=fault):
        Constraints(**{field: value})  # pyright: ignore[reportArgumentType]


def test_a_secret_in_a_url_is_not_repeated():
    with pytest.raises(InvalidJob) as refused:
        Constraints(reachable="https://me:hunter2@example.com/")

    assert "hunter2" not in str(refused.value)


# ── what follows from what is known ──────────────────────────────────────────────────────────────
CAFE = "Wi-Fi “Café”"


@pytest.mark.parametrize(
    ("kind", "network", "reason"),
    [
        ("connected", Network(connected=True, metered=True), None),
        ("connected", Network(connected=False), "no network: network waits for a connection"),
        (
            "connected", Network(connected=True, through=CAFE, portal=True),
            f"on {CAFE}, behind a captive portal: network waits for a connection",
        ),
        ("unmetered", Network(connected=True, metered=False), None),
        ("unmetered", Network(connected=True, metered=None), None),
        (
            "unmetered", Network(connected=True, metered=True, through=CAFE),
            f"on {CAFE}, metered: network waits for an unmetered one",
        ),
        (
            "unmetered", Network(connected=True, through="eth0", doubt="nobody answers"),
            "on eth0, and nothing tells whether it is metered: nobody answers",
        ),
        ("not_roaming", Network(connected=True, roaming=False, doubt="of something else"), None),
        ("not_roaming", Network(connected=True, metered=True, roaming=None), None),
        (
            "not_roaming", Network(connected=True, roaming=True, through="mobile network “Alpine”"),
            "on mobile network “Alpine”, roaming: network waits for one at home",
        ),
    ],
)  # fmt: skip
def test_what_a_network_allows(kind: Any, network: Network, reason: str | None):
    assert reasons(Constraints(network=kind), network=network) == ([] if reason is None else [reason])


@pytest.mark.parametrize(
    ("percent", "charging", "low"),
    [(19, False, True), (20, False, False), (5, True, False), (None, True, False)],
)
def test_a_battery_is_low_below_20_percent_without_external_power(
    percent: float | None, charging: bool, low: bool
):
    power = Power(percent=percent, charging=charging)
    assert bool(reasons(Constraints(battery_not_low=True), power=power)) == low


@pytest.mark.parametrize(
    ("least", "free", "total", "reason"),
    [
        (True, GB, 100 * GB, None),
        (True, GB - 1, 100 * GB, "1000 MB of 100 GB free: storage_not_low waits for 1 GB"),
        (True, GB // 10, GB, None),
        (True, GB // 11, GB, "90.9 MB of 1 GB free: storage_not_low waits for 100 MB"),
        ("2GB", 2 * GB, 4 * GB, None),
        ("2GB", 2 * GB - 1, 4 * GB, "2 GB of 4 GB free: storage_not_low waits for 2 GB"),
    ],
)
def test_storage_is_low_below_1_gb_and_a_tenth_or_what_is_asked(
    least: Any, free: int, total: int, reason: str | None
):
    found = reasons(Constraints(storage_not_low=least), storage=Storage(free=free, total=total))
    assert found == ([] if reason is None else [reason])


def test_idleness_counts_from_its_beginning():
    five_minutes = Constraints(idle="5m")

    assert reasons(five_minutes, now_us=300_000_000, idle=Idle(0)) == []
    assert reasons(five_minutes, now_us=299_000_000, idle=Idle(0)) == ["idle for 4m 59s: idle waits for 5m"]
    assert reasons(five_minutes, now_us=0, idle=Idle(60_000_000)) == ["idle for 0ms: idle waits for 5m"]
    assert reasons(Constraints(idle=True), idle=Idle(0)) == []
    assert reasons(Constraints(idle=True), idle=Idle(None)) == [
        "in use: idle waits until nobody uses the device"
    ]


def test_a_change_of_files_counts_from_when_the_job_has_waited():
    inbox, name = Constraints(files="in/*.csv"), 'files ["1s","in/*.csv"]'
    changed: dict[str, Fact] = {name: Files(changed_us=5, newest="a.csv")}

    assert reasons(inbox, **changed) == []
    assert reasons(inbox, since_us=5, **changed) == []
    assert reasons(inbox, since_us=6, **changed) == [
        "a.csv changed last: files waits for a change of in/*.csv"
    ]
    assert reasons(inbox, **{name: Files(changed_us=None)}) == [
        "no such file: files waits for a change of in/*.csv"
    ]


def test_each_condition_is_named_with_what_is_read_and_since_when():
    constraints = Constraints(reachable=URL, charging=True, when="weekend")
    facts: dict[str, Fact] = {
        f"reachable {URL}": Verdict(False, "answered 503"),
        "power": Power(percent=50, charging=False),
        "when weekend": Unknown("it raised ValueError: no calendar"),
    }
    state = DeviceState(now_us=9, facts=facts, since={"charging": 7})

    assert [(each.condition, each.reason, each.since_us) for each in blocked_by(constraints, state)] == [
        ("reachable", f"answered 503: reachable waits for {URL}", None),
        ("charging", "battery 50 %, discharging: charging waits for external power", 7),
        ("when", "when weekend cannot be told: it raised ValueError: no calendar", None),
    ]


@given(fields)
def test_what_nobody_knows_is_a_reason_to_wait(given: dict[str, Any]):
    constraints = Constraints(**given)
    blocked = blocked_by(constraints, DeviceState(now_us=0))

    assert {each.condition for each in blocked} == set(json.loads(to_text(constraints) or "{}"))
    assert all("it has not been looked at yet" in each.reason for each in blocked)


def test_a_state_that_is_no_state_is_refused():
    with pytest.raises(InvalidJob, match="no state of a device"):
        DeviceState.from_text('{"now_us":"soon"}')
