"""What a dispatcher counts of its own work, and when it writes that down."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.service.waiting import until
from tests.worker.test_upkeep import House
from windlass import PermanentError, Windlass
from windlass.outcome import Completed, Failed, Quarantined, Released
from windlass.store.protocol import Claim, Settlement
from windlass.store.sketch import quantiles_us, to_bytes, to_counts, to_number
from windlass.testing import ManualClock
from windlass.worker.activity import Activity

MINUTE = 60


def of(key: str = "work", queue: str = "default") -> Claim:
    return Claim(1, key, None, 1, 3, 1, None, queue, False, 0)


def test_attempts_are_counted_by_minute_queue_key_and_outcome() -> None:
    clock = ManualClock()
    activity = Activity(clock)
    activity.look()
    for outcome in (Completed(), Completed(), Failed("no"), Released("stopped"), Quarantined("odd")):
        activity.ended(of(), outcome, 10)
    activity.ended(of(queue="mail"), Completed(), None)
    clock.advance(MINUTE)
    activity.look()
    activity.ended(of(), Completed(), 10)
    rows = activity.rest(4)
    assert [(row.queue, row.completed, row.failed, row.other) for row in rows] == [
        ("default", 2, 1, 2),
        ("mail", 1, 0, 0),
        ("default", 1, 0, 0),
    ]
    assert rows[2].minute == rows[0].minute + 1
    assert {row.owner for row in rows} == {4}
    assert sum(to_counts(to_number(rows[0].runs))) == 3, "what was released tells nothing"
    assert rows[1].runs is None


def test_what_is_written_is_what_has_come_since_the_last_time() -> None:
    activity = Activity(ManualClock())
    activity.look()
    activity.ended(of(), Completed(), 10)
    activity.ended(of("other"), Completed(), 10)
    activity.written(len(activity.rest(1)), 0.0)
    assert activity.is_written
    activity.ended(of(), Completed(), 20)
    [row] = activity.rest(1)
    assert (row.key, row.completed) == ("work", 1)
    assert sum(to_counts(to_number(row.runs))) == 1


def test_what_comes_while_an_old_minute_waits_to_be_written_is_not_written_with_it() -> None:
    clock = ManualClock()
    activity = Activity(clock)
    activity.look()
    activity.ended(of(), Completed(), 10)
    clock.advance(MINUTE)
    activity.look()
    activity.ended(of(), Completed(), 10)
    first, _ = activity.rest(1)
    activity.written(1, 0.0)
    activity.ended(of(), Completed(), 10)
    [row] = activity.rest(1)
    assert (row.minute, row.completed) == (first.minute + 1, 2)


def test_what_could_not_be_written_is_there_the_next_time() -> None:
    activity = Activity(ManualClock())
    activity.look()
    activity.ended(of(), Completed(), 10)
    assert activity.rest(1) == activity.rest(1)


def test_many_rows_are_written_in_bounded_parts() -> None:
    activity = Activity(ManualClock())
    activity.look()
    for number in range(700):
        activity.ended(of(f"key {number}"), Completed(), 1)
    seen: dict[str, int] = {}
    now = 0.0
    while rows := activity.due(1, now := now + 1):
        assert len(rows) <= 100
        seen |= {row.key: row.completed for row in rows}
        activity.written(len(rows), now)
    assert len(seen) == 501
    assert seen["…"] == 200


def test_a_minute_tells_no_more_pairs_apart_however_often_it_is_written() -> None:
    activity = Activity(ManualClock())
    activity.look()
    told: set[tuple[str, str]] = set()
    for number in range(700):
        activity.ended(of("work", f"queue {number}"), Completed(), 1)
        rows = activity.rest(1)
        told |= {(row.queue, row.key) for row in rows}
        activity.written(len(rows), 0.0)
    assert len(told) == 551
    assert ("…", "…") in told


@pytest.mark.parametrize("spread", [10, 1_000, 1_000_000])
def test_percentiles_are_within_four_percent(spread: int) -> None:
    chance = random.Random(spread)
    activity = Activity(ManualClock())
    took = [int(chance.lognormvariate(0, 2) * spread) + 1 for _ in range(5000)]
    activity.look()
    for us in took:
        activity.ended(of(), Completed(), us)
    [row] = activity.rest(1)
    took.sort()
    wanted = (0.5, 0.95, 0.99)
    for part, found in zip(wanted, quantiles_us(to_counts(to_number(row.runs)), wanted), strict=True):
        exact = took[int(part * len(took)) - 1]
        assert found is not None
        assert abs(found - exact) <= 0.04 * exact + 1


def test_sketches_are_merged_by_adding_them_up() -> None:
    one, other = [0] * 400, [0] * 400
    one[3], one[200], other[200], other[399] = 1, 2, 3, 4
    merged = to_counts(to_number(to_bytes(one)) + to_number(to_bytes(other)) + to_number(None))
    assert merged == tuple(a + b for a, b in zip(one, other, strict=True))


def test_an_embedded_app_tells_what_it_did(database_url: str) -> None:
    app = Windlass(database_url)

    @app.job
    def work(number: int) -> None:
        if number == 0:
            raise PermanentError("none")

    app.enqueue_many("work", [{"number": number} for number in range(20)])
    with app.running(threads=2):
        until(lambda: not app.jobs.list(status=["PENDING", "RUNNING"]))
        # Once more before it rests, while it goes on living.
        until(lambda: sum(row.completed for row in app.store.activity(0, 10**9)) == 19)
    rows = list(app.store.activity(0, 10**9))
    assert sum(row.failed for row in rows) == 1
    assert sum(sum(to_counts(to_number(row.waits))) for row in rows) >= 20
    assert sum(sum(to_counts(to_number(row.runs))) for row in rows) == 20
    app.close()


def test_figures_go_with_the_commit_that_seals_and_once_more_before_rest(tmp_path: Path) -> None:
    house = House(tmp_path, str(tmp_path / "app.db"))
    written: list[int] = []
    seal = house.store.seal
    house.store.seal = lambda figures=(): (written.append(len(figures)), seal(figures))[1]  # type: ignore[method-assign]

    def work() -> None:
        claim = house.claim(house.owner)
        house.upkeep.activity.ended(claim, Completed(), 10)
        turn = house.store.settle_and_claim(
            [Settlement(claim.job_id, claim.attempt, claim.token, Completed())]
        )
        house.upkeep.committed(turn)

    house.upkeep.activity.look()
    work()
    house.run()
    house.run(after_s=0.5)
    assert written == [1]
    work()
    house.run(after_s=0.1)
    house.run(after_s=0.5)
    assert written == [1, 0], "that was less than a second ago"
    house.run(after_s=0.5)
    assert written == [1, 0, 1]
    for _ in range(100):
        house.run(after_s=0.5)
    assert written == [1, 0, 1], "idle"
    [row] = house.store.activity(0, 10**9)
    assert row.completed == 2
    house.close()
