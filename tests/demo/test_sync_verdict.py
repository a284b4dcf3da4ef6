"""The comparison at the end must see every way in which replicas can part: each is planted here."""

from __future__ import annotations

import io
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from rich.console import Console

from windlass.demo.server.moody import Tally
from windlass.demo.sync.curtain import summary
from windlass.demo.sync.show import Report
from windlass.demo.sync.tale import ISO_TALE
from windlass.demo.sync.verdict import Verdict, judge

World = dict[str, dict[str, dict[str, dict[str, Any]]]]
CALM = Tally(reads=9, writes=4, moods={"500": 1}, replayed=1, twice=[], effects=3)


def table() -> dict[str, dict[str, dict[str, Any]]]:
    ending = {id_: {"name": None, **row} for id_, row in ISO_TALE.ending.items() if row is not None}
    return {
        "languages": {**ending, "fra": {"name": "French", "note": ""}},
        "countries": {"FR": {"flag": "f"}},
    }


@pytest.fixture
def world() -> World:
    """The server and both replicas, all equal."""
    return {name: deepcopy(table()) for name in ("server", "ann", "ben")}


def verdict(world: World, waiting: dict[str, list[str]] | None = None, tally: Tally = CALM) -> Verdict:
    replicas = {name: world[name] for name in ("ann", "ben")}
    return judge(world["server"], replicas, waiting or {}, ISO_TALE, tally)


def test_equal_replicas_are_as_they_should_be(world: World) -> None:
    found = verdict(world)
    assert found.complaints == []
    assert found.holds
    assert [(one.table, one.rows) for one in found.tables] == [("languages", 6), ("countries", 1)]


def lose(rows: dict[str, Any]) -> None:
    del rows["fra"]


def keep(rows: dict[str, Any]) -> None:
    rows["old"] = {"name": "Old", "note": ""}


def change(rows: dict[str, Any]) -> None:
    rows["fra"]["name"] = "french"


def retype(rows: dict[str, Any]) -> None:
    rows["fra"]["note"] = None


@pytest.mark.parametrize("who", ["ann", "ben"])
@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lose, "lacks 1 rows of languages: fra"),
        (keep, "still has 1 rows of languages: old"),
        (change, "differs in 1 rows of languages: fra"),
        (retype, "differs in 1 rows of languages: fra"),
    ],
)
def test_a_replica_that_was_tampered_with_is_seen(
    world: World, who: str, tamper: Callable[[dict[str, Any]], None], said: str
) -> None:
    tamper(world[who]["languages"])
    assert verdict(world).complaints == [f"{who} {said}"]


def test_a_table_that_is_not_there_at_all_is_seen(world: World) -> None:
    del world["ben"]["countries"]
    assert verdict(world).complaints == ["ben lacks 1 rows of countries: FR"]


def test_an_edit_that_all_have_lost_is_seen(world: World) -> None:
    for rows in world.values():
        rows["languages"]["nld"]["note"] = ""
        del rows["languages"]["qaa"]
        rows["languages"]["zxx"] = {"name": "No linguistic content", "note": ""}
    found = verdict(world).complaints
    assert len(found) == 9
    assert "ann: the note of languages nld is '', not 'in Suriname, too'" in found
    assert "the server lacks languages qaa" in found
    assert "ben still has languages zxx, which was deleted" in found


def test_a_change_that_took_effect_twice_is_seen(world: World) -> None:
    found = verdict(world, tally=msgspec.structs.replace(CALM, twice=["key"])).complaints
    assert found == ["1 changes took effect more than once: ['key']"]


def test_what_still_waits_is_seen(world: World) -> None:
    assert verdict(world, {"ben": ["2 conflicts"]}).complaints == ["ben has 2 conflicts"]


def told(verdict: Verdict, *left: int) -> tuple[bool, str]:
    report = Report(
        source="some tables", seconds=1.0, pulled=14, rows_per_second=7.0, edited=3, conflicts=1, rejected=1,
        left_running=list(left), verdict=verdict,
    )  # fmt: skip
    stream = io.StringIO()
    Console(file=stream, width=120).print(summary(report))
    return report.holds, stream.getvalue()


def test_people_are_told_that_all_are_equal(world: World) -> None:
    holds, text = told(verdict(world))
    assert holds
    assert "ann, ben and the server are equal in every one of 7 rows" in text
    assert "this should not be" not in text


def test_people_are_told_what_should_not_be(world: World) -> None:
    lose(world["ben"]["languages"])
    holds, text = told(verdict(world))
    assert not holds
    assert "this should not be" in text
    assert "ben lacks 1 rows of languages: fra" in text


def test_a_process_that_is_left_is_no_success(world: World) -> None:
    holds, text = told(verdict(world), 4711)
    assert not holds
    assert "still running: 4711" in text
