"""A short storm over a move, there and back; and its checker over sides that differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.storm.moving.checker import faults
from tests.storm.moving.driver import Plan, Storm

JOBS = "background_service_jobs"
ONE, OTHER = (1, "PENDING", '{"uid": "a"}'), (2, "COMPLETED", '{"uid": "b"}')


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_a_move_that_is_killed_loses_nothing_there_and_back(tmp_path: Path, postgres_url: str) -> None:
    legs = Storm(Plan(jobs=1000, kills=2, producers=1, seed=3), tmp_path, postgres_url, print).run()
    assert [leg.faults for leg in legs] == [[], []]
    there, back = legs
    assert back.jobs > there.jobs > 1000
    assert there.made_meanwhile > 0


@pytest.mark.parametrize(
    ("there", "fault"),
    [
        ([ONE], "lost or changed"),
        ([ONE, OTHER, (3, "PENDING", "{}")], "unexpected in"),
        ([ONE, (2, "PENDING", '{"uid": "b"}')], "lost or changed"),
        ([ONE, OTHER, OTHER], "unexpected in"),
    ],
)
def test_the_checker_sees_each_difference(there: list[tuple[object, ...]], fault: str) -> None:
    known = {"a", "b"}
    told = faults({JOBS: [ONE, OTHER]}, {JOBS: there}, [str(row[2]) for row in there], known, known)
    assert told[0].startswith(fault)


def test_the_checker_asks_for_what_was_acknowledged_and_for_nothing_else() -> None:
    same = {JOBS: [ONE, OTHER]}
    texts = ['{"uid": "a"}', '{"uid": "b"}']
    assert faults(same, same, texts, {"a"}, {"b"}) == []
    assert faults(same, same, texts, {"a", "b", "c"}, set()) == ["lost: c was acknowledged"]
    assert faults(same, same, texts, {"a"}, set()) == ["unexpected: nobody made b"]
    assert faults(same, same, [*texts, texts[0]], {"a", "b"}, set()) == ["double: a is there 2 times"]
