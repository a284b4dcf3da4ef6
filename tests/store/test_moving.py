"""Moving a database: everything arrives, on exactly one side, whatever happens in between."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.conformance.steps import accept_any, add, claim, register, settle, the
from windlass.errors import MoveRefused, StoreError, StoreUnavailable
from windlass.job import JobStatus
from windlass.outcome import Completed, Failed, Retried
from windlass.store import open_store
from windlass.store.move import abandon, move
from windlass.store.protocol import ClaimRequest, NewJob, Settlement
from windlass.store.relational.moving import STEP, TABLES, Move
from windlass.store.timetable import ScheduleRow

STAYS = {"windlass_meta", "windlass_migrations", "windlass_devices"}
"""Tables of which nothing is moved: what is in them is about this database, or this machine."""

MOVER = """
import os, signal, sys
from windlass.store import open_store
from windlass.store.move import move
from windlass.store.relational import moving

source, target, where, nth = sys.argv[1:]
left = int(nth)

def die(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

if where == "copy":
    move(open_store(source), open_store(target), told=die)
else:
    done = getattr(moving.Move, where)
    def killed_after(self):
        if where == "finish":
            die()
        done(self)
        die()
    setattr(moving.Move, where, killed_after)
    move(open_store(source), open_store(target))
"""
"""A move that is killed: at the nth table's step, or after the cut, or before it opens the target."""


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgres", "postgres to sqlite"])
def sides(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Where from, and where to."""
    first, second = request.param.split(" to ")
    file = str(tmp_path / "old.db")
    names = {
        "sqlite": file,
        "postgres": request.getfixturevalue("postgres_url") if "postgres" in request.param else "",
    }
    return names[first], names[second] if first != second else str(tmp_path / "new.db")


Sides = tuple[str, str]


_open: list[Any] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Whatever a test opens is closed after it."""
    yield
    while _open:
        _open.pop().close()


def store_of(name: str | Path) -> Any:
    _open.append(open_store(name))
    return _open[-1]


def opened(sides: Sides) -> tuple[Any, Any]:
    source, target = (store_of(name) for name in sides)
    source.migrate()
    return source, target


def fill(store: Any, jobs: int = 40) -> None:
    """Jobs of each kind and status, a flow, a schedule, a switch and a limit."""
    owner = register(store)
    store.insert([NewJob(key="bulk", payload=f'{{"n": {n}}}', tags='["a"]') for n in range(jobs)])
    some = claim(store, owner, limit=8)
    add(store, "unique", unique="one")
    add(store, "later", delay_us=3_600_000_000)
    add(store, "child", after=(add(store, "parent"),))
    store.set_queue("slow", paused=True, concurrency=3)
    settle(store, some[0], Completed('{"ok": true}'))
    settle(store, some[1], Failed("ValueError: no", "error"))
    settle(store, some[2], Retried("OSError: again", 1_000_000))
    row = ScheduleRow(name="daily", job_key="bulk", payload=None, spec='{"every": 60000000}', next_at_us=1)
    assert store.put_schedule(row, replaces=None)
    store.audit("me", "pause", "slow", None, "ok")


def rows_of(store: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is moved, as it is in the tables."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with store.side().engine.read() as connection:
        for table in TABLES:
            names = sorted(
                c[0] for c in connection.execute(f"SELECT * FROM {table.name} LIMIT 0").description
            )
            order = ", ".join(table.key)
            sql = f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {order}"
            found[table.name] = [tuple(row) for row in connection.execute(sql).fetchall()]
    return found


def test_everything_arrives_as_it_was(sides: Sides) -> None:
    source, target = opened(sides)
    fill(source, STEP + 10)
    before = rows_of(source)
    assert len([rows for rows in before.values() if rows]) >= 7
    report = move(source, target)
    assert rows_of(target) == before
    assert report.rows == {name: len(rows) for name, rows in before.items()}
    assert (report.running, report.resumed) == (5, False)


def test_the_source_refuses_everything_from_then_on(sides: Sides) -> None:
    source, target = opened(sides)
    job = add(source)
    [held] = claim(source, register(source))
    move(source, target)
    for change in (
        lambda: add(source),
        lambda: settle(source, held, Completed(None)),
        lambda: source.cancel([job]),
        lambda: source.drop_schedule("none") or register(source),
    ):
        with pytest.raises((StoreError, AssertionError)):
            change()
    with pytest.raises(StoreUnavailable, match="was moved to"):
        add(source)
    assert the(source, job).status == JobStatus.RUNNING
    with pytest.raises(MoveRefused, match=r"moved to .* already"):
        move(source, target)


def test_ids_go_on_beyond_those_that_were_ever_given(sides: Sides) -> None:
    source, target = opened(sides)
    last = [add(source) for _ in range(5)][-1]
    source.cancel([last])
    source.delete([last])
    move(source, target)
    assert add(target) > last
    assert register(target) > register_of(source)


def register_of(store: Any) -> int:
    return max((row.id for row in store.dispatchers()), default=0)


def test_what_was_running_is_taken_back_from_its_dead_dispatcher(sides: Sides) -> None:
    source, target = opened(sides)
    owner = register(source)
    job = add(source)
    claim(source, owner)
    assert move(source, target).running == 1
    assert [row.id for row in target.dispatchers()] == [owner]
    assert target.reclaim(owner) == 1
    assert the(target, job).status == JobStatus.PENDING


def test_nobody_gets_in_while_jobs_arrive(sides: Sides) -> None:
    source, target = opened(sides)
    fill(source)
    other = store_of(sides[1])
    refused: list[str] = []

    def knock(_table: str, _rows: int) -> None:
        for enter in (add, register):
            with pytest.raises(StoreUnavailable, match="still arriving"):
                enter(other)
            refused.append(enter.__name__)

    move(source, target, told=knock)
    assert len(refused) == 2 * len(TABLES)
    assert add(other)


@pytest.mark.parametrize(
    ("where", "nth"), [("copy", 1), ("copy", 3), ("copy", 9), ("cut", 1), ("finish", 1), ("finish", 2)]
)
def test_a_move_that_is_killed_is_gone_on_with(sides: Sides, where: str, nth: int) -> None:
    source, target = opened(sides)
    fill(source, 2 * STEP + 10)
    killed = subprocess.run([sys.executable, "-c", MOVER, *sides, where, str(nth)], check=False)
    assert killed.returncode == -signal.SIGKILL
    gone = where in ("cut", "finish")
    if not gone:
        add(source, "meanwhile")
    before = rows_of(source)
    if where == "finish" and nth == 2:
        with pytest.raises(MoveRefused, match="already"):
            move(source, target)
    else:
        assert move(source, target).resumed
    assert rows_of(target) == before
    with pytest.raises(StoreUnavailable, match="was moved to"):
        add(source)


def test_a_move_under_load_leaves_each_job_on_exactly_one_side(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Producers and a dispatcher use the source to the last moment; a kill half-way, and on."""
    source, target = opened(sides)
    fill(source, 3 * STEP)
    acknowledged: list[int] = []
    settled: list[int] = []
    over = threading.Event()
    more = threading.Condition()
    cut = Move.cut

    def cut_late(self: Move) -> None:
        """There is something left for it."""
        made, ended = len(acknowledged) + 20, len(settled) + 20
        with more:
            assert more.wait_for(lambda: len(acknowledged) > made and len(settled) > ended, timeout=60)
        cut(self)

    monkeypatch.setattr(Move, "cut", cut_late)

    def produce() -> None:
        while not over.is_set():
            try:
                acknowledged.append(add(source, "made", unique=f"u{len(acknowledged) % 7}", existing="keep"))
                acknowledged.append(add(source, "made"))
                with more:
                    more.notify_all()
            except StoreUnavailable:
                return

    def work() -> None:
        owner = register(source)
        done: list[Settlement] = []
        while not over.is_set():
            try:
                caps = dict.fromkeys(source.lanes(), 10)
                turn = source.settle_and_claim(done, ClaimRequest(owner, 10, caps, accept_any))
            except StoreError:
                return
            if turn.unsettled:
                return
            settled.extend(one.job_id for one in done)
            done = [Settlement(one.job_id, one.attempt, one.token, Completed(None)) for one in turn.claimed]

    threads = [threading.Thread(target=produce), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    try:
        killed = subprocess.run([sys.executable, "-c", MOVER, *sides, "copy", "2"], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert move(source, target).resumed
    finally:
        over.set()
        for thread in threads:
            thread.join()
    rows = {job[0]: job for job in _status(target)}
    assert acknowledged
    assert set(acknowledged) <= rows.keys()
    assert settled
    assert all(rows[job_id][1] == "COMPLETED" for job_id in settled)
    assert _status(source) == _status(target)


def _status(store: Any) -> list[tuple[Any, ...]]:
    with store.side().engine.read() as connection:
        sql = "SELECT id, status, attempts FROM background_service_jobs ORDER BY id"
        return [tuple(row) for row in connection.execute(sql).fetchall()]


def test_a_target_that_is_in_use_is_refused(sides: Sides) -> None:
    source, target = opened(sides)
    target.migrate()
    job = add(target, "mine")
    with pytest.raises(MoveRefused, match="not empty"):
        move(source, target)
    assert the(target, job).key == "mine"
    assert add(source)


def test_a_half_way_move_goes_nowhere_else(sides: Sides, tmp_path: Path) -> None:
    source, target = opened(sides)
    fill(source)
    third = store_of(tmp_path / "third.db")
    subprocess.run([sys.executable, "-c", MOVER, *sides, "copy", "2"], check=False)
    with pytest.raises(MoveRefused, match="half-way to"):
        move(source, third)
    with pytest.raises(MoveRefused, match="half-way taking over"):
        move(third, target)
    assert move(source, target).resumed


def test_a_move_that_is_given_up_leaves_the_source_as_it_was(sides: Sides) -> None:
    source, target = opened(sides)
    fill(source, STEP + 1)
    before = rows_of(source)
    subprocess.run([sys.executable, "-c", MOVER, *sides, "copy", "2"], check=False)
    abandon(source, target)
    assert rows_of(source) == before
    assert not any(rows_of(target).values())
    assert add(source)
    assert add(target)
    with pytest.raises(MoveRefused, match="nothing to give up"):
        abandon(source, target)


def test_a_cut_that_finds_other_rows_is_not_made(sides: Sides) -> None:
    source, target = opened(sides)
    fill(source)

    def lose() -> None:
        with target.side().engine.write(full=True) as connection:
            connection.execute("DELETE FROM windlass_attempts")

    with pytest.raises(MoveRefused, match="windlass_attempts has"):
        move(source, target, before_cut=lose)
    assert add(source)


def test_every_table_is_moved_or_stays_for_a_reason(tmp_path: Path) -> None:
    store = store_of(tmp_path / "app.db")
    store.migrate()
    with store.side().engine.read() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    ours = {name for name in names if name.startswith(("windlass_", "background_"))}
    sync = {name for name in ours if "sync" in name or name == "windlass_journal"}
    assert ours - sync == {table.name for table in TABLES} | STAYS


def test_an_app_is_told_where_its_jobs_are(sides: Sides) -> None:
    """Not by an error of the driver's."""
    from windlass import Windlass

    source, target = opened(sides)
    move(source, target)
    app = Windlass(sides[0])
    with pytest.raises(StoreUnavailable, match="was moved to"):
        app.enqueue("anything")
    app.close()
