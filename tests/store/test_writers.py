"""Many who write at once: threads share commits, processes take turns, and nobody is told what is not so."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from tests.store.children import WITH_STORE, child
from tests.store.conformance.steps import add
from tests.store.test_log import ids, sound
from windlass.errors import OutcomeUnknown, StoreError, StoreUnavailable
from windlass.job import JobStatus
from windlass.store.protocol import Inserted, NewJob
from windlass.store.sqlite import producing
from windlass.store.sqlite.store import SqliteStore

EIGHT_THREADS = """
import threading
def produce():
    for _ in range(10): ids.append(store.insert([NewJob(key='k')])[0].job_id)
ids = []
store.get(1); say('ready'); hear()
threads = [threading.Thread(target=produce) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
say(ids)
"""

HOT = """
import json, time
store.get(1); say('ready'); hear()
waits, end = [], time.perf_counter() + 1.5
while (begun := time.perf_counter()) < end:
    store.insert([NewJob(key='k')], durability='fast')
    waits.append(time.perf_counter() - begun)
say(json.dumps([len(waits), max(waits)]))
"""


class Interrupted(BaseException):
    """What a signal handler raises, as Ctrl-C does."""


@pytest.fixture
def interrupts() -> Iterator[None]:
    """SIGUSR1 interrupts the main thread."""

    def interrupt(*_: Any) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def in_thread(do: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Runs it in a thread; what came of it is in the list afterwards."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(do())
        except Exception as error:  # noqa: BLE001 - it is what is asked for
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


def test_sixty_four_writers_in_eight_processes_never_see_a_locked_database(
    store: SqliteStore, path: Path
) -> None:
    """huey #445, Solid Queue #133: database is locked."""
    with ExitStack() as started:
        programs = [started.enter_context(child(path, WITH_STORE + EIGHT_THREADS)) for _ in range(8)]
        for program in programs:
            assert program.heard() == "ready"
        for program in programs:
            program.tell()
        told = {job_id for program in programs for job_id in json.loads(program.heard())}
        for program in programs:
            program.finish()
    assert len(told) == 640
    assert ids(store) == told


def test_four_hot_writers_all_get_their_turns(store: SqliteStore, path: Path) -> None:
    """Figures, for whoever reads them; what must hold is that everybody writes and nobody fails."""
    with ExitStack() as started:
        programs = [started.enter_context(child(path, WITH_STORE + HOT)) for _ in range(4)]
        for program in programs:
            program.heard()
        for program in programs:
            program.tell()
        figures = [json.loads(program.heard()) for program in programs]
        for program in programs:
            program.finish()
    print("jobs and the worst wait in ms of each writer:", [(n, round(s * 1000)) for n, s in figures])
    assert all(count > 20 for count, _ in figures)
    assert store.counts()[JobStatus.PENDING] == sum(count for count, _ in figures)


def commits_in_log(path: Path) -> int:
    """Frames of the log that end a commit: they tell the size of the database."""
    raw = Path(f"{path}-wal").read_bytes()
    frames = range(32, len(raw), 24 + 4096)
    return sum(raw[at + 4 : at + 8] != b"\0\0\0\0" and raw[at + 8 : at + 16] == raw[16:24] for at in frames)


def test_threads_that_collide_share_commits(store: SqliteStore, path: Path) -> None:
    """Group commit: what waited together goes in together."""
    before = commits_in_log(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threads = [in_thread(lambda: add(store)) for _ in range(20)]
        until(lambda: len(store._waiting) == 19)
        other.execute("ROLLBACK")
        for thread, _ in threads:
            thread.join()
    assert {type(came[0]) for _, came in threads} == {int}
    assert len(ids(store)) == 20
    assert commits_in_log(path) - before == 2, "the leader's own, and one for all who came meanwhile"


def test_a_crowd_is_served_by_one_commit_each_time_it_comes_back(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by two, for those who were served by the last one and for those who came while it was written."""
    monkeypatch.setattr(producing, "_PATIENCE_NS", 1_000_000_000)
    store._crowd, store._commit_ns = 4, 4_000_000_000
    before = commits_in_log(path)
    threads = [in_thread(lambda: add(store)) for _ in range(4)]
    for thread, _ in threads:
        thread.join(30)
    assert commits_in_log(path) - before == 1
    add(store)
    assert store._crowd == 1, "nobody came with it: the next one waits for nobody"


@pytest.mark.usefixtures("interrupts")
def test_who_is_interrupted_while_waiting_for_company_stops_nobody(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store._crowd, store._commit_ns = 2, 4_000_000_000
    monkeypatch.setattr(producing, "sleep", lambda _: os.kill(os.getpid(), signal.SIGUSR1))
    with pytest.raises(Interrupted):
        add(store)
    monkeypatch.undo()
    assert not store._led
    assert not store._waiting
    add(store)
    assert len(ids(store)) == 1


def test_a_fast_one_that_shares_a_commit_with_a_full_one_is_as_safe(store: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        leader = in_thread(lambda: add(store))
        until(lambda: store._led)
        fast = in_thread(lambda: store.insert([NewJob(key="a")], durability="fast"))
        full = in_thread(lambda: store.insert([NewJob(key="b")], durability="full"))
        until(lambda: len(store._waiting) == 2)
        other.execute("ROLLBACK")
        for thread, _ in (leader, fast, full):
            thread.join()
    assert store.database._unsealed is False


@pytest.mark.usefixtures("interrupts")
def test_who_is_interrupted_while_committing_for_others_leaves_them_no_false_ids(
    path: Path, store: SqliteStore
) -> None:
    """J1: a rolled-back commit is acknowledged to nobody, and the next enqueue works."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        followers: list[tuple[threading.Thread, list[object]]] = []

        def interrupt_the_leader() -> None:
            until(lambda: store._led and not store._waiting)
            followers.extend(in_thread(lambda: add(store)) for _ in range(3))
            until(lambda: len(store._waiting) == 3)
            os.kill(os.getpid(), signal.SIGUSR1)

        interrupter = threading.Thread(target=interrupt_the_leader)
        interrupter.start()
        with pytest.raises(Interrupted):
            add(store)
        interrupter.join()
        other.execute("ROLLBACK")
    for follower, _ in followers:
        follower.join(30)
    told = {came[0] for _, came in followers}
    assert told == ids(store)
    assert len(told) == 3
    assert add(store) not in told


@pytest.mark.usefixtures("interrupts")
def test_those_whose_commit_is_interrupted_are_told_that_its_outcome_is_unknown(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J1, J2: the leader has taken three others along and is interrupted in the middle of their commit."""
    insert_on = store.insert_on

    def insert_and_interrupt(connection: sqlite3.Connection, jobs: Sequence[NewJob]) -> list[Inserted]:
        if threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGUSR1)
        return insert_on(connection, jobs)

    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        first = in_thread(lambda: add(store))
        until(lambda: store._led and not store._waiting)
        followers: list[tuple[threading.Thread, list[object]]] = []

        def come_behind_the_main_thread() -> None:
            until(lambda: len(store._waiting) == 1)
            followers.extend(in_thread(lambda: add(store)) for _ in range(3))
            until(lambda: len(store._waiting) == 4)
            monkeypatch.setattr(store, "insert_on", insert_and_interrupt)
            other.execute("ROLLBACK")

        behind = in_thread(come_behind_the_main_thread)
        with pytest.raises(Interrupted):
            add(store)
        for thread, _ in (behind, first, *followers):
            thread.join(30)
    assert behind[1] == [None]
    assert [type(came[0]) for _, came in followers] == [OutcomeUnknown] * 3
    monkeypatch.undo()
    assert ids(store) == {first[1][0]}
    assert add(store) in ids(store)


@pytest.mark.usefixtures("interrupts")
def test_who_is_interrupted_while_waiting_for_its_turn_stops_nobody(path: Path, store: SqliteStore) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        leader = in_thread(lambda: add(store))
        until(lambda: store._led and not store._waiting)

        def interrupt_the_waiting() -> None:
            until(lambda: len(store._waiting) == 1)
            os.kill(os.getpid(), signal.SIGUSR1)

        interrupter = in_thread(interrupt_the_waiting)
        with pytest.raises(Interrupted):
            add(store)
        interrupter[0].join()
        behind = in_thread(lambda: add(store))
        until(lambda: len(store._waiting) == 1)
        other.execute("ROLLBACK")
    for thread, came in (leader, behind):
        thread.join(30)
        assert isinstance(came[0], int)
    assert len(ids(store)) == 2
    add(store)


def test_an_enqueue_inside_a_transaction_of_the_same_thread_says_how_to_join_it(store: SqliteStore) -> None:
    def nest() -> None:
        with store.transaction():
            add(store)

    with pytest.raises(StoreError, match=r"inside app\.transaction\(\): enqueue on its connection"):
        nest()
    assert ids(store) == set()
    add(store)


def test_an_enqueue_inside_a_transaction_does_not_wait_for_a_leader_that_waits_for_it(
    store: SqliteStore,
) -> None:
    """Two threads must not wait for each other: the leader waits for the follower's own transaction."""
    with store.transaction():
        leader = in_thread(lambda: add(store))
        until(lambda: store._led)
        with pytest.raises(StoreError, match="enqueue on its connection"):
            add(store)
    leader[0].join(30)
    assert leader[1] == [1]


def test_a_long_transaction_of_another_thread_is_waited_for_and_then_told(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.1)
    store.migrate()
    with store.transaction():
        thread, came = in_thread(lambda: add(store))
        thread.join(30)
    assert isinstance(came[0], StoreUnavailable)
    assert "another thread of this program" in str(came[0])
    assert add(store) == 1
    store.close()


def test_a_block_that_ends_its_transaction_itself_is_told_so(store: SqliteStore) -> None:
    def end_early() -> None:
        with store.transaction() as connection:
            connection.commit()

    with pytest.raises(StoreError, match="leave commit and rollback to its end"):
        end_early()
    add(store)


def test_what_a_block_sets_on_its_connection_ends_with_it(store: SqliteStore) -> None:
    with store.transaction() as connection:
        connection.row_factory = lambda _cursor, _row: {"x": 1}
        connection.text_factory = bytes
    add(store)
    assert store.version() >= 0
    assert len(store.lanes()) == 1


def test_fast_jobs_reach_the_disk_by_themselves(store: SqliteStore) -> None:
    """``durability="fast"``: within about a second, also where no service runs."""
    store.insert([NewJob(key="work")], durability="fast")
    assert store.database._unsealed
    until(lambda: not store.database._unsealed)


def test_a_store_that_is_closed_stays_closed(path: Path) -> None:
    """Its fast commits are sealed at the closing, not half a second later by opening it again."""
    store = SqliteStore(path)
    store.migrate()
    store.insert([NewJob(key="work")], durability="fast")
    timer = store._sealer._timer
    store.close()
    assert not timer.is_alive()
    assert not store.database._unsealed
    assert not store.database._open


def test_a_seal_that_fails_is_tried_again(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.05)
    store.migrate()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        store.insert([NewJob(key="work")], durability="fast")
        other.execute("BEGIN IMMEDIATE")
        timer = store._sealer._timer
        assert timer is not None
        timer.join()
        other.execute("ROLLBACK")
    until(lambda: not store.database._unsealed)
    store.close()


def test_a_writer_that_is_killed_leaves_the_lock_to_the_next(store: SqliteStore, path: Path) -> None:
    """J1: what it had acknowledged is there, what it had not is not."""
    code = (
        WITH_STORE
        + "say(store.insert([NewJob(key='k')])[0].job_id)\nwith store.transaction() as c:\n"
        + ("    store.insert([NewJob(key='k')], connection=c); say('inside'); hear()")
    )
    with child(path, code) as writer:
        acknowledged = int(writer.heard())
        assert writer.heard() == "inside"
        writer.process.kill()
        writer.process.wait()
    again = add(store)
    assert ids(store) == {acknowledged, again}
    store.close()
    assert sound(path)


def test_nobody_holds_the_write_lock_while_others_wait_for_it(store: SqliteStore) -> None:
    """Forty batches, upkeep and a checkpoint: each is a turn of its own, between which others get in."""
    longest = 0.0
    stop = threading.Event()

    def measure() -> None:
        nonlocal longest
        while not stop.is_set():
            begun = time.perf_counter()
            store.insert([NewJob(key="other")], durability="fast")
            longest = max(longest, time.perf_counter() - begun)

    meter = threading.Thread(target=measure)
    meter.start()
    for _ in range(40):
        store.insert([NewJob(key="work", delay_us=1)] * 100, durability="fast")
        store.promote()
        store.prune(older_than_us=0, keep=10)
        store.checkpoint(force=True)
    stop.set()
    meter.join()
    print(f"the longest an enqueue waited: {longest * 1000:.1f} ms")
    assert store.counts()[JobStatus.PENDING] > 4000
