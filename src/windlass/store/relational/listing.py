"""Pages, counts and ids of jobs that match: each in a bounded time, however many jobs there are.

Where few jobs are in the parts that may match (see ``walking.py``), their ids are gathered from the indexes
and put in order. Otherwise the jobs are walked by id, or by when they ended. What takes a look at each row
stops after a while, and says where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from windlass.clock import monotonic
from windlass.errors import InvalidJob
from windlass.job import Job, JobStatus
from windlass.store.listing import SORTED_MOST, Counted, Ids, Page
from windlass.store.protocol import JobFilter
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.rows import COLUMNS, job_of
from windlass.store.relational.walking import (
    JOBS,
    TALLIED,
    Clause,
    Part,
    bounds,
    candidates,
    conditions,
    ended,
    joined,
    parts,
    union,
)

_GATHERED_MOST = 50_000
"""Of more ids than these, walking by id meets one soon enough."""
_STEP = 2_000
"""Rows looked at between two looks at the clock …"""
_SIFTED = 500
"""… and where they do not lie side by side."""
_LOOK_S = 0.05
_LAST_ID = 2**63 - 1
_ORDERS = ("id", "created_at", "updated_at", "priority", "finished_at")
_CURSOR = re.compile(r"([ifo])(-?\d{1,19})\.(-?\d{1,19})", re.ASCII)


_At = tuple[int, int]
"""A place in the order: when it ended (or 0), and id."""


class _Step(NamedTuple):
    """What a look at some rows found."""

    found: list[_At]
    looked: int
    """How many rows had to be read for it."""
    at: _At
    """Everything up to here was looked at."""


_Walk = Iterator[_Step]


class Listing(Role):
    """The verbs of ``windlass.store.listing``."""

    def page(
        self, where: JobFilter, *, order: str = "-id", limit: int = 50, after: str | None = None
    ) -> Page:
        column, falling = order.removeprefix("-"), order.startswith("-")
        if column not in _ORDERS:
            raise InvalidJob(
                f"expected order to be one of {', '.join(_ORDERS)}, with a leading - to turn it, "
                f"got {order!r:.80}"
            )
        with self.database.show() as connection:
            if column in ("updated_at", "priority"):
                return _sorted_page(connection, where, order, limit, _position(after, "o"))
            kind = "f" if column == "finished_at" else "i"
            walk = _walk_ended if kind == "f" else _walk
            steps = walk(connection, where, falling, _position(after, kind), limit)
            found, looked, at = _collect(steps, limit, _LOOK_S)
            jobs = _read(connection, [job_id for _, job_id in found])
        cursor = None if at is None else f"{kind}{at[0]}.{at[1]}"
        return Page(jobs, cursor, looked, complete=at is None or len(found) >= limit)

    def ids(self, where: JobFilter, *, rising: bool, after: int | None = None, limit: int = 1000) -> Ids:
        start = None if after is None else (0, after)
        with self.database.read() as connection:
            found, _, at = _collect(_walk(connection, where, not rising, start, limit), limit, _LOOK_S)
        return Ids([job_id for _, job_id in found], None if at is None else at[1])

    def count(self, where: JobFilter, *, most: int = 10_000, patience_s: float = 0.03) -> Counted:
        with self.database.read() as connection:
            if conditions(where, by_parts=parts(where) is not None):
                found, _, at = _collect(_walk(connection, where, True, None, most), most, patience_s)
                return Counted(len(found), at is not None)
            size = _size(connection, where, most + 1)
        return Counted(min(size, most), size > most)

    def sizes(self, *, most: int = 10_000) -> dict[str, Counted]:
        with self.database.read() as connection:
            found = {
                name: sum(_length(connection, part, most + 1) for part in some)
                for name, some in TALLIED.items()
            }
        return {name: Counted(min(size, most), size > most) for name, size in found.items()}

    def newest_id(self) -> int:
        with self.database.read() as connection:
            return connection.execute(f"SELECT ifnull(max(id), 0) FROM {JOBS}").fetchone()[0]  # noqa: S608


def _collect(walk: _Walk, limit: int, patience_s: float) -> tuple[list[_At], int, _At | None]:
    """The first ``limit`` that match, how many rows were read, and beyond what there may be more."""
    found: list[_At] = []
    looked = 0
    until = monotonic() + patience_s
    for step in walk:
        found += step.found
        looked += step.looked
        if len(found) > limit:
            return found[:limit], looked, found[limit - 1]
        if monotonic() > until:
            return found, looked, step.at
    return found, looked, None


# ── walks ────────────────────────────────────────────────────────────────────────────────────────
def _walk(connection: Connection, where: JobFilter, falling: bool, start: _At | None, limit: int) -> _Walk:
    """By id: from the index of each part where they are few, or through the table.

    Through the table means by its own key: any other index would be read as a whole and put in order.
    """
    if (named := candidates(where)) is not None:
        if isinstance(named, Clause):
            named = [job_id for (job_id,) in connection.execute(*named)]
        asked = conditions(where, by_parts=False)
        at = start[1] if start else None
        some_ids = sorted(set(named), reverse=falling)
        beyond = [one for one in some_ids if at is None or (one < at if falling else one > at)]
        return _sift(connection, [(0, one) for one in beyond], [*asked, *bounds(where)])
    some = parts(where)
    if some is None or _size(connection, where, _GATHERED_MOST + 1) > _GATHERED_MOST:
        return _walk_table(connection, where, falling, start, limit)
    return _walk_gathered(connection, where, falling, start, limit)


def _walk_table(
    connection: Connection, where: JobFilter, falling: bool, start: _At | None, limit: int
) -> _Walk:
    asked = conditions(where, by_parts=False)
    size = _STEP if asked else limit + 1
    beyond, within, turn = ("<", ">=", "DESC") if falling else (">", "<=", "ASC")
    edges = bounds(where)
    at = start[1] if start else (_LAST_ID if falling else -_LAST_ID)
    while True:
        near = joined(Clause(f"id {beyond} ?", (at,)), *edges)
        text = f"SELECT id FROM {JOBS} NOT INDEXED WHERE {near.text} ORDER BY id {turn}"  # noqa: S608
        row = connection.execute(f"{text} LIMIT 1 OFFSET {size - 1}", near.values).fetchone()
        far = [Clause(f"id {within} ?", (row[0],))] if row else []
        whole = joined(near, *far, *asked)
        text = f"SELECT id FROM {JOBS} NOT INDEXED WHERE {whole.text} ORDER BY id {turn}"  # noqa: S608
        found = [(0, job_id) for (job_id,) in connection.execute(text, whole.values)]
        yield _Step(found, size if asked else 0, (0, row[0] if row else 0))
        if row is None:
            return
        at = row[0]


def _walk_gathered(
    connection: Connection, where: JobFilter, falling: bool, start: _At | None, limit: int
) -> _Walk:
    turn, beyond = ("DESC", "<") if falling else ("ASC", ">")
    edges = [*bounds(where), *([Clause(f"id {beyond} ?", (start[1],))] if start else [])]
    asked = conditions(where, by_parts=True)
    whole = union(parts(where) or [], *edges)
    most = _GATHERED_MOST if asked else limit + 1
    rows = connection.execute(f"{whole.text} ORDER BY id {turn} LIMIT {most}", whole.values)
    return _sift(connection, [(0, job_id) for (job_id,) in rows], asked)


def _walk_ended(
    connection: Connection, where: JobFilter, falling: bool, start: _At | None, limit: int
) -> _Walk:
    """By when they ended: the index has that order for each status, and the streams are merged."""
    if where.held:
        return
    asked = conditions(where, by_parts=True)
    size = _STEP if asked else limit + 1
    turn, beyond = ("DESC", "<") if falling else ("ASC", ">")
    statuses = [one for one in JobStatus if one.is_final and (where.status is None or one in where.status)]
    at = start
    while statuses:
        edges = [*bounds(where), *([Clause(f"(finished_at, id) {beyond} (?, ?)", at)] if at else [])]
        values: list[Any] = []
        streams: list[str] = []
        for status in statuses:
            part = ended(status)
            whole = joined(part.clause, *edges)
            streams.append(
                f"SELECT * FROM (SELECT finished_at, id FROM {JOBS} INDEXED BY {part.name} "  # noqa: S608
                f"WHERE {whole.text} ORDER BY finished_at {turn}, id {turn} LIMIT {size})"
            )
            values += whole.values
        text = f"{' UNION ALL '.join(streams)} ORDER BY 1 {turn}, 2 {turn} LIMIT {size}"
        some_at: list[_At] = connection.execute(text, values).fetchall()
        yield from _sift(connection, some_at, asked)
        if len(some_at) < size:
            return
        at = some_at[-1]


def _sift(connection: Connection, some_at: list[_At], asked: list[Clause]) -> _Walk:
    """Those of the some_at of which all holds that is asked, in their order."""
    if not asked:
        yield _Step(some_at, 0, some_at[-1] if some_at else (0, 0))
        return
    whole = joined(*asked)
    given = "SELECT value FROM json_each(?)"
    text = f"SELECT id FROM {JOBS} NOT INDEXED WHERE {whole.text} AND id IN ({given})"  # noqa: S608
    for begin in range(0, len(some_at), _SIFTED):
        some = some_at[begin : begin + _SIFTED]
        ids = json.dumps([job_id for _, job_id in some])
        matching = {job_id for (job_id,) in connection.execute(text, (*whole.values, ids))}
        yield _Step([one for one in some if one[1] in matching], len(some), some[-1])


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────
def _size(connection: Connection, where: JobFilter, most: int) -> int:
    """How many are in the parts, counted up to ``most``."""
    some = parts(where)
    edges = bounds(where)
    if some is None:
        whole = joined(*edges)
        whole = whole._replace(text=f"SELECT id FROM {JOBS} WHERE {whole.text}")  # noqa: S608
    else:
        whole = union(some, *edges)
    text = f"SELECT count(*) FROM ({whole.text} LIMIT ?)"  # noqa: S608
    return connection.execute(text, (*whole.values, most)).fetchone()[0]


def _length(connection: Connection, part: Part, most: int) -> int:
    text = f"SELECT count(*) FROM ({part.ids} LIMIT ?)"  # noqa: S608
    return connection.execute(text, (*part.clause.values, most)).fetchone()[0]


def _sorted_page(connection: Connection, where: JobFilter, order: str, limit: int, start: _At | None) -> Page:
    """In an order that no index has: all that match are put in order each time, so they must be few."""
    found, looked, at = _collect(_walk(connection, where, True, None, SORTED_MOST), SORTED_MOST, 2 * _LOOK_S)
    if at is not None:
        raise InvalidJob(
            f"cannot put so many jobs in the order {order!r}: narrow them down to {SORTED_MOST:,}, or choose "
            "id or finished_at"
        )
    column, turn = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
    offset = start[1] if start else 0
    ids = json.dumps([job_id for _, job_id in found])
    text = (
        f"SELECT id FROM {JOBS} WHERE id IN (SELECT value FROM json_each(?)) "  # noqa: S608
        f"ORDER BY {column} {turn}, id {turn} LIMIT ? OFFSET ?"
    )
    some = [job_id for (job_id,) in connection.execute(text, (ids, limit, offset))]
    more = offset + len(some) < len(found) and len(some) == limit
    return Page(_read(connection, some), f"o0.{offset + limit}" if more else None, looked, complete=True)


def _read(connection: Connection, ids: list[int]) -> list[Job]:
    text = f"SELECT {COLUMNS} FROM {JOBS} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    jobs = {row[0]: job_of(row) for row in connection.execute(text, (json.dumps(ids),))}
    return [jobs[job_id] for job_id in ids if job_id in jobs]


def _position(after: str | None, kind: str) -> _At | None:
    """Where a cursor says that the page before ended."""
    if after is None:
        return None
    found = _CURSOR.fullmatch(after)
    if found is None or found[1] != kind:
        raise InvalidJob(
            f"expected after to be what a page in the same order gave as next, got {after!r:.80}"
        )
    at = int(found[2]), int(found[3])
    if max(map(abs, at)) > _LAST_ID:
        raise InvalidJob(f"expected after to be what a page gave as next, got {after!r:.80}")
    return at
