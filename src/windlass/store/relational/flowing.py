"""Jobs that wait for others: bound when they are inserted, released in the transaction that settles.

``waits_for`` is how many parents of a child have not completed. It is kept, not counted, so what a parent's
end costs goes with its children and not with their parents: the last of ten thousand costs what the first
did. At 0 the child is released, and what becomes of its parents later is no matter to it.

Who has no part in any of this pays one look into an empty table for each transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from windlass.errors import InvalidJob
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.flows import ParentResult, Relative, Tally
from windlass.store.protocol import Inserted, NewJob, Settlement
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL
from windlass.store.timetable import Instant

_STATUSES = JobStatus.__members__


class Flowing(Role):
    """The verbs about who waits for whom."""

    def parents(self, job_id: int, *, incomplete: bool = False, limit: int = 1000) -> list[Relative]:
        with self.database.read() as connection:
            return _relatives(connection, "flow_parents", (job_id, incomplete, limit))

    def children(self, job_id: int, *, limit: int = 1000) -> list[Relative]:
        with self.database.read() as connection:
            return _relatives(connection, "flow_children", (job_id, limit))

    def parent_results(self, job_id: int) -> list[ParentResult]:
        with self.database.read() as connection:
            return [ParentResult(*row) for row in connection.execute(SQL["flow_results"], (job_id,))]

    def tally(self, job_ids: Sequence[int]) -> Tally:
        ids = json.dumps(list(job_ids))
        counts = dict.fromkeys(JobStatus, 0)
        held = 0
        with self.database.read() as connection:
            for status, is_held, count in connection.execute(SQL["flow_tally"], (ids,)):
                known = JobStatus(status) if status in _STATUSES else JobStatus.PENDING
                counts[known] += count
                held += count if known is JobStatus.PENDING and is_held else 0
            still = counts[JobStatus.RUNNING] == 0 and 0 < held == counts[JobStatus.PENDING]
            stuck = still and not connection.execute(SQL["flow_moved_by_others"], (ids,)).fetchone()[0]
        return Tally(
            total=sum(counts.values()),
            pending=counts[JobStatus.PENDING],
            running=counts[JobStatus.RUNNING],
            completed=counts[JobStatus.COMPLETED],
            failed=counts[JobStatus.FAILED],
            cancelled=counts[JobStatus.CANCELLED],
            held=held,
            stuck=stuck,
        )


class Bonds(NamedTuple):
    """For whom a job about to be inserted waits."""

    parents: Sequence[int]
    waits_for: int
    hold: str | None
    lost: bool
    """One of them has ended without completing."""


# ── enqueue ──────────────────────────────────────────────────────────────────────────────────────
def bonds_of(connection: Connection, job: NewJob, inserted: Sequence[Inserted]) -> Bonds:
    """For whom it waits, of jobs that were there and of those that were inserted just before it.

    Raises:
        InvalidJob: one of them is not there.
    """
    if job.existing != "keep" or job.debounce_us is not None:
        what = "debounce" if job.debounce_us is not None else f'existing="{job.existing}"'
        raise InvalidJob(
            f'expected a job that waits for other jobs to have existing="keep", got {what}: only a job that '
            "waits for no other can be put in the place of one, or in line behind it"
        )
    before = [inserted[position] for position in job.follows]
    parents = dict.fromkeys([*job.after, *(one.job_id for one in before)])
    # What was inserted a moment ago is PENDING: only the others are looked at.
    there = [*job.after, *(one.job_id for one in before if not one.created)]
    statuses: dict[int, str] = {}
    if there:
        statuses = dict(connection.execute(SQL["flow_stand"], (json.dumps(there),)).fetchall())
    for job_id in job.after:
        if job_id not in statuses:
            raise InvalidJob(
                f"expected after to name jobs that are there, got {job_id}: there is no such job"
            )
    waits_for = sum(statuses.get(parent) != "COMPLETED" for parent in parents)
    lost = any(status in ("FAILED", "CANCELLED") for status in statuses.values())
    hold = f"waits for {waits_for} job{'' if waits_for == 1 else 's'}" if waits_for else None
    return Bonds(list(parents), waits_for, hold, lost)


def bound(job: NewJob, bonds: Bonds) -> NewJob:
    """The job as it waits."""
    return msgspec.structs.replace(job, waits_for=bonds.waits_for, hold=bonds.hold)


def bind(connection: Connection, child: int, bonds: Bonds, now: str) -> str | None:
    """Writes down for whom the job that was just inserted waits; why it is held, or None."""
    rows = ((parent, child, position) for position, parent in enumerate(bonds.parents))
    connection.executemany(SQL["flow_bind"], rows)
    if not bonds.lost:
        return bonds.hold
    _reword(connection, [child], now)
    return connection.execute("SELECT hold FROM background_service_jobs WHERE id = ?", (child,)).fetchone()[0]


# ── what becomes of parents ──────────────────────────────────────────────────────────────────────
def any_flow(connection: Connection) -> bool:
    """Does any job wait for another, or did it?"""
    return bool(connection.execute(SQL["flow_any"]).fetchone()[0])


def follow(
    connection: Connection,
    settlements: Sequence[Settlement],
    not_settled: Iterable[Settlement],
    now: tuple[Instant, str],
) -> int:
    """Lets the children of those attempts go, or says why they may not; how many were released.

    ``not_settled``: those that did not own their job, or could not be stored.
    """
    if not settlements or not any_flow(connection):
        return 0
    passed_over = {id(settlement) for settlement in not_settled}
    settled = [settlement for settlement in settlements if id(settlement) not in passed_over]
    completed = [one.job_id for one in settled if type(one.outcome) is Completed]
    others = [one.job_id for one in settled if type(one.outcome) is not Completed]
    lament(connection, others, now[1])
    return release(connection, completed, now)


def release(connection: Connection, completed: Collection[int], now: tuple[Instant, str]) -> int:
    """Counts parents that have just completed off their children; how many children wait for no other."""
    if not completed:
        return 0
    now_us, boot_us, boot_id = now[0].after(0)
    values = {
        "parents": json.dumps(list(completed)),
        "now_us": now_us,
        "now": now[1],
        "boot_us": boot_us,
        "boot_id": boot_id,
    }
    return sum(free for (free,) in connection.execute(SQL["flow_release"], values).fetchall())


def lament(connection: Connection, ended: Collection[int], now: str) -> None:
    """Says, in the children of those of these jobs that failed or were cancelled, why they are held."""
    if ended:
        bereft = connection.execute(SQL["flow_bereft"], (json.dumps(list(ended)),)).fetchall()
        _reword(connection, [child for (child,) in bereft], now, anyway=False)


def heirs(connection: Connection, job_ids: Collection[int]) -> list[int]:
    """Who waits for one of these jobs, of those that have not completed."""
    return [child for (child,) in connection.execute(SQL["flow_heirs"], (json.dumps(list(job_ids)),))]


def statuses(connection: Connection, job_ids: Collection[int]) -> dict[int, str]:
    """Where these jobs stand."""
    return dict(connection.execute(SQL["flow_stand"], (json.dumps(list(job_ids)),)).fetchall())


def revive(connection: Connection, before: dict[int, str], job_ids: Sequence[int], now: str) -> None:
    """Makes jobs that are to run again wait for their parents, and their children for them.

    ``before`` is where they stood.
    """
    if not job_ids:
        return
    ids = json.dumps(list(job_ids))
    completed = [job_id for job_id in job_ids if before.get(job_id) == "COMPLETED"]
    connection.execute(SQL["flow_await_again"], (json.dumps(completed),))
    connection.execute(SQL["flow_recount"], (ids,))
    children = connection.execute(SQL["flow_children_of"], (ids,)).fetchall()
    _reword(connection, [*job_ids, *(child for (child,) in children)], now)


# ── the end of a row ─────────────────────────────────────────────────────────────────────────────
def remove(connection: Connection, job_ids: Collection[int]) -> list[int]:
    """Deletes jobs with all that is kept of them, but those that run or have children that are not over.

    Who waits for one of them, and can only be over by now, never gets past it.
    """
    rows = connection.execute(SQL["delete_jobs"], (json.dumps(list(job_ids)),)).fetchall()
    removed = [job_id for job_id, _ in rows]
    completed = [job_id for job_id, status in rows if status == "COMPLETED"]
    if completed and any_flow(connection):
        connection.execute(SQL["flow_await_again"], (json.dumps(completed),))
    ids = json.dumps(removed)
    connection.execute(SQL["delete_attempts"], (ids,))
    connection.execute(SQL["delete_logs"], (ids,))
    connection.execute(SQL["flow_unbind"], (ids,))
    return removed


def _reword(connection: Connection, children: Collection[int], now: str, *, anyway: bool = True) -> None:
    if children:
        values = {"children": json.dumps(list(children)), "now": now, "anyway": anyway}
        connection.execute(SQL["flow_reword"], values)


def _relatives(connection: Connection, statement: str, values: tuple[Any, ...]) -> list[Relative]:
    return [
        Relative(
            id=job_id,
            key=key,
            status=None
            if status is None
            else JobStatus(status)
            if status in _STATUSES
            else JobStatus.PENDING,
            hold=hold,
            waits_for=waits_for,
        )
        for job_id, key, status, hold, waits_for in connection.execute(SQL[statement], values)
    ]
