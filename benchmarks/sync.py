"""What syncing costs: a first pull, its memory, a push, the capture of edits; how soon an edit is there."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contenders import opener
from benchmarks.enqueue import calls
from benchmarks.model import (
    Benchmark,
    Figure,
    Measure,
    Room,
    Subject,
    ratio_at_least,
    ratio_at_most,
    times_peer,
    value_at_most,
)

ROWS, QUICK_ROWS = 200_000, 20_000
EDITS, QUICK_EDITS, BATCH = 10_000, 4_000, 500
TURN_S, QUICK_TURN_S, TURNS = 0.05, 0.025, 10
BULK = 1000
TYPED, QUICK_TYPED = 10, 5
PAUSE_S = (0.3, 0.6)
"""Between two of them, at random: long enough for all to be idle."""


def pulling(contender: str, part: float = 1.0) -> Subject:
    """Rows a second of a first pull of them all, or of a part, into a new database each round."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        rows = QUICK_ROWS if room.quick else int(ROWS * part)
        with opener(contender, "snapshot", rows=rows)(room) as ready:

            def measure() -> float:
                pull = ready()
                began = time.perf_counter()
                pull()
                return rows / (time.perf_counter() - began)

            yield measure

    return subject


def growing(contender: str) -> Subject:
    """MB that the process has at most during such a pull, above what it had before."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, "snapshot", rows=QUICK_ROWS if room.quick else ROWS)(room) as ready:

            def measure() -> float:
                pull = ready()
                Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
                before = memory_mb("VmRSS")
                pull()
                return memory_mb("VmHWM") - before

            yield measure

    return subject


def memory_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(name)


def pushing(contender: str) -> Subject:
    """Edits a second of a push of them all."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        rows = QUICK_EDITS if room.quick else EDITS
        with opener(contender, "edits", rows=rows, batch=BATCH)(room) as ready:
            ready()()  # connected, and every statement prepared

            def measure() -> float:
                push = ready()
                began = time.perf_counter()
                push()
                return rows / (time.perf_counter() - began)

            yield measure

    return subject


def inserting(contender: str, verb: str, rows: int) -> Subject:
    """Microseconds a row of plain inserts by a program's own connection, ``rows`` in a transaction."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, verb)(room) as connection:
            numbers = itertools.count()
            statement = (
                "INSERT INTO rows VALUES (?, 'the title of the row', 0, 3, 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnn')"
            )

            def insert_one() -> None:
                connection.execute(statement, (f"{next(numbers):08d}",))

            def insert_many() -> None:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, [(f"{next(numbers):08d}",) for _ in range(rows)])
                connection.execute("COMMIT")

            insert = insert_one if rows == 1 else insert_many
            insert()
            seconds = QUICK_TURN_S if room.quick else TURN_S

            def measure() -> list[float]:
                count, took_s = calls(insert, seconds, rows)
                return [1e6 * took_s, count]

            yield measure

    return subject


def typing(contender: str) -> Subject:
    """Milliseconds from the start of the ``sqlite3`` shell that makes an edit to the row at the server."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, "served")(room) as edit:

            def edit_ms() -> float:
                time.sleep(random.uniform(*PAUSE_S))
                began = time.monotonic()
                return 1000 * (edit() - began)

            edit_ms()  # connected, and every statement prepared
            edits = QUICK_TYPED if room.quick else TYPED
            yield lambda: [edit_ms() for _ in range(edits)]

    return subject


def capture(name: str, rows: int, bound: float) -> Benchmark:
    return Benchmark(
        (Figure(name, "µs/insert", (ratio_at_most(bound),)),),
        {
            "windlass": inserting("syncing", "captured", rows),
            "raw": inserting("raw_sync", "plain", rows),
        },
        turns=TURNS,
    )


BENCHMARKS = [
    Benchmark(
        (Figure("sync_snapshot_rows", "rows/s", (ratio_at_least(0.5), times_peer(3, "dlt"))),),
        {"windlass": pulling("syncing"), "raw": pulling("raw_sync"), "dlt": pulling("with_dlt", part=0.25)},
        rounds=3,
        quick_rounds=2,
    ),
    Benchmark(
        (Figure("sync_snapshot_memory", "MB", (value_at_most(40),)),),
        {"windlass": growing("syncing"), "raw": growing("raw_sync")},
        rounds=1,
        quick_rounds=1,
        one_at_a_time=True,
    ),
    Benchmark(
        (Figure("sync_push_edits", "edits/s", (ratio_at_least(0.5),)),),
        {"windlass": pushing("syncing"), "raw": pushing("raw_sync")},
        rounds=5,
    ),
    Benchmark(
        (Figure("sync_shell_edit_ms", "ms", (value_at_most(300),)),),
        {"windlass": typing("syncing")},
        rounds=3,
        quick_rounds=2,
    ),
    capture("capture_one", 1, 2.2),
    capture("capture_bulk", BULK, 2.5),
]
