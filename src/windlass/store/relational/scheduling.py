"""Schedules in the file: found by an index of their own, changed only as they were last seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from windlass.job import Job
from windlass.store.protocol import Inserted, NewJob
from windlass.store.relational.engine import Connection
from windlass.store.relational.inserting import Inserting
from windlass.store.relational.rows import COLUMNS, job_of
from windlass.store.relational.statements import SQL
from windlass.store.timetable import CLOCK_SET_US, Instant, ScheduleRow

_WALKED = 256
"""So many upcoming schedules at most are asked how late they may come: plenty for one wake-up."""


_RETOLD = 1000
"""So many rows are told anew in one transaction, so that nobody waits long for the lock."""


class _Late(Exception):
    """Someone else was faster: nothing is written."""


class Scheduling(Inserting):
    """The timetable's verbs."""

    def schedules(self) -> list[ScheduleRow]:
        with self.database.read() as connection:
            return [_row(row) for row in connection.execute(SQL["schedules"])]

    def schedule(self, name: str) -> ScheduleRow | None:
        with self.database.read() as connection:
            row = connection.execute(SQL["schedule"], (name,)).fetchone()
        return None if row is None else _row(row)

    def due_schedules(self, now: Instant) -> list[tuple[ScheduleRow, bool]]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["due_schedules"], (now.boot_id or "", now.boot_us)).fetchall()
            rows += connection.execute(SQL["due_wall_schedules"], (now.wall_us,)).fetchall()
        return [(_row(row), bool(row[-1])) for row in rows]

    def strange_schedules(self) -> list[ScheduleRow]:
        with self.database.read() as connection:
            boot_id = self.instant().boot_id or ""
            return [_row(row) for row in connection.execute(SQL["strange_schedules"], (boot_id,))]

    def retell_schedules(self, now: Instant) -> int:
        with self.database.read() as connection:
            moved = connection.execute(
                SQL["misplaced_schedules"], (now.boot_id or "", now.shift_us, CLOCK_SET_US)
            ).fetchall()
        for first in range(0, len(moved), _RETOLD):
            with self.database.write(full=True) as connection:
                connection.executemany(
                    SQL["retell_schedule"],
                    [(name, turn, now.shift_us) for name, turn in moved[first : first + _RETOLD]],
                )
        return len(moved)

    def next_schedule_us(self, now: Instant) -> int | None:
        with self.database.read() as connection:
            by_boot = connection.execute(SQL["next_schedules"], (now.boot_id or "", now.boot_us, _WALKED))
            boot_us = _first_to_make(by_boot)
            by_wall = connection.execute(SQL["next_wall_schedules"], (now.wall_us, _WALKED))
            wall_us = _first_to_make(by_wall)
        waits = [] if boot_us is None else [boot_us - now.boot_us]
        waits += [] if wall_us is None else [wall_us - now.wall_us]
        return min(waits, default=None)

    def put_schedule(self, row: ScheduleRow, *, replaces: int | None) -> bool:
        with self.database.write(full=True) as connection:
            written = _write(connection, row, replaces)
        self.ring()
        return written

    def fire_schedule(
        self, row: ScheduleRow, jobs: Sequence[NewJob], *, replaces: int
    ) -> list[Inserted] | None:
        try:
            with self.database.write(full=True) as connection:
                made = self.insert_on(connection, jobs)
                last = made[-1].job_id if made else None
                if not all(one.created for one in made) or not _write(connection, row, replaces, last):
                    raise _Late
        except _Late:
            return None
        self.ring()
        return made

    def last_runs(self, unique: str, limit: int) -> list[Job]:
        with self.database.read() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM background_service_jobs "  # noqa: S608
                f"WHERE id IN ({SQL['last_runs']}) ORDER BY id DESC",
                (unique, limit),
            )
            return [job_of(row) for row in rows]

    def drop_schedule(self, name: str) -> bool:
        with self.database.write(full=True) as connection:
            dropped = connection.execute(SQL["drop_schedule"], (name,)).rowcount == 1
        self.ring()
        return dropped


def _write(connection: Connection, row: ScheduleRow, replaces: int | None, job: int | None = None) -> bool:
    values: dict[str, Any] = {
        "name": row.name, "job_key": row.job_key, "payload": row.payload, "spec": row.spec,
        "paused": row.paused, "next_at": row.next_at_us, "next_at_boot": row.next_boot_us,
        "boot_id": row.boot_id, "last_at": row.last_at_us, "last_job": row.last_job if job is None else job,
    }  # fmt: skip
    if replaces is None:
        return connection.execute(SQL["insert_schedule"], values).rowcount == 1
    return connection.execute(SQL["update_schedule"], {**values, "turn": replaces}).rowcount == 1


def _row(row: tuple[Any, ...]) -> ScheduleRow:
    return ScheduleRow(
        name=row[0], job_key=row[1], payload=row[2], spec=row[3], paused=bool(row[4]), next_at_us=row[5],
        next_boot_us=row[6], boot_id=row[7], last_at_us=row[8], last_job=row[9], turn=row[10],
    )  # fmt: skip


def _first_to_make(upcoming: Iterable[tuple[int, Any]]) -> int | None:
    """The least of nominal time and flex together; or the last nominal time, where there are so many."""
    first_us: int | None = None
    for walked, (nominal_us, flex) in enumerate(upcoming, 1):
        if first_us is not None and nominal_us >= first_us:
            break
        latest_us = nominal_us + (flex if isinstance(flex, int) and walked < _WALKED else 0)
        first_us = latest_us if first_us is None else min(first_us, latest_us)
    return first_us
