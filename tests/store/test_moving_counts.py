"""What a move counts: all of both sides while programs go on, and in the cut only what changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.store.conformance.steps import add, claim, register, settle, the
from tests.store.test_moving import Sides, closed, fill, opened, rows_of, sides, store_of
from windlass.clock import monotonic
from windlass.errors import MoveRefused
from windlass.outcome import Failed
from windlass.store.move import move
from windlass.store.postgres.store import PostgresStore
from windlass.store.relational import moving
from windlass.store.relational.comparing import tallies

__all__ = ["closed", "sides"]  # fixtures


@pytest.mark.parametrize("slow", ["source", "target"])
def test_a_count_that_takes_long_neither_ends_the_move_nor_keeps_anyone_out(
    sides: Sides, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than a turn may pause on a server; here, as it waits for somebody's next second."""
    source, target = opened(sides)
    fill(source)
    for store in (source, target):
        if isinstance(store, PostgresStore):
            store.database._turn_idle_ms = 300
    other = store_of(sides[0])
    made: list[int] = []
    counts = iter(("source", "target"))

    def slowly(connection: Any, tables: Any) -> Any:
        if next(counts) == slow:
            until = monotonic() + 1
            while monotonic() < until:
                made.append(add(other, "meanwhile"))
        return tallies(connection, tables)

    monkeypatch.setattr(moving, "tallies", slowly)
    report = move(source, target)
    assert {the(target, job_id).key for job_id in made} == {"meanwhile"}
    assert rows_of(target) == rows_of(source)
    assert report.rows == {name: len(rows) for name, rows in rows_of(source).items()}


def test_what_changes_after_the_count_is_counted_with_each_step(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = opened(sides)
    fill(source)
    monkeypatch.setattr(moving, "_SMALL", -1)
    whole: list[str] = []
    monkeypatch.setattr(moving, "tally", lambda _connection, table: whole.append(table.name))

    def change() -> None:
        gone = add(source, "gone")
        assert source.cancel([gone])
        source.delete([gone])
        [one] = claim(source, register(source), limit=1)
        settle(source, one, Failed("ValueError: no", "error"))
        source.retry([one.job_id])
        source.set_queue("other", paused=True)
        source.drop_schedule("daily")

    report = move(source, target, before_cut=change)
    assert not whole
    assert rows_of(target) == rows_of(source)
    assert report.rows == {name: len(rows) for name, rows in rows_of(source).items()}
    assert report.rows["windlass_schedules"] == 0


def test_a_row_whose_key_changes_after_the_count_is_there_once(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of ours does that; other programs write to the tables, too."""
    source, target = opened(sides)
    fill(source)
    job_id = add(source, "moved")
    monkeypatch.setattr(moving, "_SMALL", -1)

    def change() -> None:
        with source.side().engine.write(full=True) as connection:
            sql = f"UPDATE background_service_jobs SET id = {job_id + 900} WHERE id = {job_id}"
            connection.execute(sql)

    move(source, target, before_cut=change)
    assert rows_of(target) == rows_of(source)
    assert (target.get(job_id), the(target, job_id + 900).key) == (None, "moved")


def test_a_change_that_does_not_arrive_stops_the_cut(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the rest is not counted again."""
    source, target = opened(sides)
    fill(source)
    monkeypatch.setattr(moving, "_SMALL", -1)

    def lose() -> None:
        add(source, "lost")
        with target.side().engine.write(full=True) as connection:
            if isinstance(target, PostgresStore):
                connection.execute(
                    "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
                )
                connection.execute(
                    "CREATE TRIGGER lose BEFORE INSERT ON background_service_jobs "
                    "FOR EACH ROW EXECUTE FUNCTION lose()"
                )
            else:
                connection.execute(
                    "CREATE TRIGGER lose AFTER INSERT ON background_service_jobs BEGIN "
                    "DELETE FROM background_service_jobs WHERE id = NEW.id; END"
                )

    with pytest.raises(MoveRefused, match="background_service_jobs has 1 rows"):
        move(source, target, before_cut=lose)
    assert add(source)


def test_a_table_that_is_being_moved_cannot_be_emptied_at_a_stroke(postgres_url: str, tmp_path: Path) -> None:
    """That names no rows, so nobody would note it."""
    source, target = opened((postgres_url, str(tmp_path / "new.db")))
    fill(source)

    def empty() -> None:
        with (
            psycopg.connect(postgres_url) as other,
            pytest.raises(psycopg.Error, match="is moved to another"),
        ):
            other.execute("TRUNCATE windlass_logs")

    move(source, target, before_cut=empty)
    with psycopg.connect(postgres_url) as other:
        other.execute("TRUNCATE windlass_logs")
