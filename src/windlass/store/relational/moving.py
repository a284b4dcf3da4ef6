"""Everything of one database goes to another, while programs go on using the first.

Before the cut the source is the truth: triggers keep a list of the keys that change, each step copies what
changed and some more rows as they are at one moment, and the target lets nobody in. Then both sides are
counted as they were at one moment, while programs go on: what changes from there on is counted with each step
that copies it. The cut is one transaction of the source, in which nobody else writes: what is left is copied
and counted, and from its commit on the source refuses every change. So it takes as long as what changed in
the last moment, however much there is. Then the target opens. A move that was killed is gone on with from
where the target says it was; at no time do both sides take jobs.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from windlass.errors import MoveRefused
from windlass.store.relational import noting
from windlass.store.relational.carrying import Carrier, Table
from windlass.store.relational.comparing import Tally, refuse_others, tallies, tally, tally_of
from windlass.store.relational.engine import Connection, Engine
from windlass.store.relational.noting import ARRIVING, MOVED, MOVING
from windlass.store.relational.sides import Side

STEP = 1000
"""Rows of a table that are copied in one transaction."""
_FEW = 50
"""So few changes since the last look are left to the cut."""
_LOOKS = 100
"""After so many looks the rest is left to the cut, also where it is more."""
_SMALL = 10_000
"""A table of so few rows is counted whole in the cut once more: that takes no time."""


TABLES = (
    Table("background_service_jobs", ("id",)),
    Table("windlass_attempts", ("id",)),
    Table("windlass_logs", ("id",)),
    Table("windlass_dependencies", ("parent", "child")),
    Table("windlass_queues", ("queue",)),
    Table("windlass_limits", ("kind", "name")),
    Table("windlass_hosts", ("host",)),
    Table("windlass_schedules", ("name",)),
    Table("windlass_notifications", ("subject",)),
    Table("windlass_activity", ("minute", "owner", "queue", "job_key")),
    Table("windlass_activity_spans", ("minutes", "minute", "queue", "job_key")),
    Table("windlass_activity_totals", ("queue", "job_key")),
    Table("windlass_audit", ("id",)),
    # What these had RUNNING at the cut, the target takes back as it does from any that died.
    Table("windlass_dispatchers", ("id",)),
)
COUNTED_ON = tuple(table.name for table in TABLES if table.key == ("id",))
"""Tables whose ids are never used again, also by the target."""


class Change(NamedTuple):
    """Rows of a table that changed, as they are at one moment."""

    table: Table
    keys: Sequence[tuple[Any, ...]]
    rows: list[tuple[Any, ...]]
    """Those of them that are there."""
    tally: Tally
    """Their count, where both sides have been counted."""


class Report(NamedTuple):
    """What a move has done."""

    rows: dict[str, int]
    """How many of each table both sides have."""
    running: int
    """Jobs that were RUNNING at the cut: the target takes them back as those of a dispatcher that died."""
    resumed: bool
    """It had been begun before."""
    synced: tuple[str, ...] = ()
    """Synced tables of the source: they are the program's, and stay."""


class Move:
    """One move, from its beginning or from where it was interrupted.

    ``told`` hears the table that is copied, and how many of its rows the target has so far.
    """

    def __init__(self, source: Side, target: Side, told: Callable[[str, int], None] | None = None) -> None:
        self.source = source
        self.target = target
        self._told = told
        self._carrier = Carrier(target.movable)
        self._resumed = False
        self._counted: dict[str, Tally] = {}
        """What both sides have of each table, up to the last step; empty: they are not counted yet."""

    def prepare(self) -> bool:
        """Makes both sides ready, or finds that they are; False where nothing but ``finish`` is left.

        Raises:
            MoveRefused: the target is in use, or one of the two takes part in another move.
        """
        ours = _noted(self.source, MOVING) or _noted(self.source, MOVED)
        theirs = _noted(self.target, ARRIVING)
        if ours is None:
            self._begin()
            return True
        if theirs is None and _noted(self.source, MOVED) is not None:
            raise MoveRefused(f"{self.source.name} was moved to {ours['to']} already: use that one")
        if theirs is None or theirs["move"] != ours["move"]:
            raise MoveRefused(
                f"{self.source.name} is half-way to {ours['to']}: go on with that one, or give it up with "
                "windlass move --abandon"
            )
        self._resumed = True
        if _noted(self.source, MOVED) is not None:
            return False
        with self.source.engine.write(full=True) as connection:
            # An older version may have begun it, whose triggers note less.
            self.source.movable.keep_changes(connection, TABLES)
        return True

    def _begin(self) -> None:
        if (theirs := _noted(self.target, ARRIVING)) is not None:
            raise MoveRefused(
                f"{self.target.name} is half-way taking over {theirs['from']}: finish that move first"
            )
        if (gone := _noted(self.target, MOVED)) is not None:
            raise MoveRefused(f"{self.target.name} was itself moved to {gone['to']}: name a new database")
        with self.source.engine.read() as connection:
            _refuse_unsent(connection, self.source.name)
        move = secrets.token_hex(8)
        with self.target.engine.write(full=True) as connection:
            for table in TABLES:
                if connection.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone():  # noqa: S608
                    raise MoveRefused(
                        f"{self.target.name} is not empty ({table.name} has rows): name a new database"
                    )
            noting.write(connection, ARRIVING, {"move": move, "from": self.source.name, "at": {}})
            saying = f"jobs are still arriving from {self.source.name}: wait until windlass move has ended"
            self.target.movable.shut(connection, saying, while_arriving=True)
        with self.source.engine.write(full=True) as connection:
            noting.write(connection, MOVING, {"move": move, "to": self.target.name})
            self.source.movable.keep_changes(connection, TABLES)

    # ── before the cut ─────────────────────────────────────────────────────────────────────────
    def copy(self) -> None:
        """Copies all that is there, and what changes meanwhile, until hardly anything is left."""
        arriving = _noted(self.target, ARRIVING) or {}
        at: dict[str, Any] = arriving.get("at", {})
        for table in TABLES:
            while at.get(table.name) != "end":
                self._step(at, table)
        for _ in range(_LOOKS):
            if self._step(at, None) <= _FEW:
                break

    def _step(self, at: dict[str, Any], table: Table | None) -> int:
        """Copies what changed, and the next rows of a table; how many had changed."""
        with self.source.engine.snapshot() as source:
            seen, changes = self._changes(source)
            rows: list[tuple[Any, ...]] = []
            if table is not None:
                rows = self._carrier.next_rows(source, table, at.get(table.name), STEP)
        if table is not None:
            full = len(rows) == STEP
            at[table.name] = self._carrier.key(table, rows[-1]) if full else "end"
        if seen or table is not None:
            with self._arriving(full=False, at=at) as target:
                self._put_changed(target, changes)
                if table is not None and rows:
                    self._carrier.put(target, table, rows)
        self._forget(seen)
        if table is not None and self._told is not None:
            self._told(table.name, len(rows))
        return len(seen)

    def _forget(self, seen: list[int]) -> None:
        if seen:
            with self.source.engine.write(full=False) as connection:
                connection.execute(
                    "DELETE FROM windlass_moving WHERE seq IN (SELECT value FROM json_each(?))",
                    (json.dumps(seen),),
                )

    def count(self) -> None:
        """Counts and compares both sides as they were at one moment; programs go on meanwhile.

        Raises:
            MoveRefused: they differ: the source stays as it is.
        """
        with self.source.engine.snapshot() as source:
            self.source.movable.take_time(source, whole=True)
            seen, changes = self._changes(source)
            here = tallies(source, TABLES)
        with self._arriving(full=False) as target:
            self._put_changed(target, changes)
        self._forget(seen)
        with self.target.engine.snapshot() as target:
            self.target.movable.take_time(target, whole=True)
            there = tallies(target, TABLES)
        for name in here:
            refuse_others(name, here[name], there[name], self._names)
        self._counted = here

    # ── the cut ────────────────────────────────────────────────────────────────────────────────
    def cut(self) -> None:
        """Copies the rest, compares, and closes the source for good.

        Raises:
            MoveRefused: the two sides differ, or a synced table was edited: the source stays as it is.
        """
        if not self._counted:
            self.count()
        with self.source.engine.write(full=True) as source:
            self.source.movable.take_time(source, whole=False)
            # First, as it may have to wait for those who are writing.
            saying = f"this database was moved to {self.target.name}: use that one"
            self.source.movable.shut(source, saying, while_arriving=False)
            _refuse_unsent(source, self.source.name)
            _, changes = self._changes(source)
            last = self._last_ids(source)
            with self._arriving(full=True) as target:
                self.target.movable.take_time(target, whole=False)
                self._put_changed(target, changes)
                for name, highest in last.items():
                    self.target.movable.count_on_from(target, name, highest)
                self._count_small(source, target)
            rows = {name: found.rows for name, found in self._counted.items()}
            noting.write(source, MOVED, {**(noting.read(source, MOVING) or {}), "rows": rows})
            noting.remove(source, MOVING)
            self.source.movable.forget_changes(source, TABLES)

    def _count_small(self, source: Connection, target: Connection) -> None:
        for table in TABLES:
            if self._counted[table.name].rows <= _SMALL:
                here, there = tally(source, table), tally(target, table)
                refuse_others(table.name, here, there, self._names)
                self._counted[table.name] = here

    def _last_ids(self, source: Connection) -> dict[str, int]:
        given = self.source.movable.last_ids(source, COUNTED_ON)
        for name in COUNTED_ON:
            highest = source.execute(f"SELECT coalesce(max(id), 0) FROM {name}").fetchone()[0]  # noqa: S608
            given[name] = max(given.get(name, 0), highest)
        return given

    def finish(self) -> Report:
        """Opens the target."""
        rows: dict[str, int] | None = (_noted(self.source, MOVED) or {}).get("rows")
        with self.target.engine.write(full=True) as target:
            if rows is None:
                # An older Windlass made the cut.
                self.target.movable.take_time(target, whole=True)
                rows = {name: found.rows for name, found in tallies(target, TABLES).items()}
            running = target.execute(
                "SELECT count(*) FROM background_service_jobs WHERE status = 'RUNNING'"
            ).fetchone()[0]
            # The last start under a rate was told by another clock: here it is taken to have been just now.
            _, now_us, boot_id = self.target.instant()
            target.execute(
                "UPDATE windlass_limits SET free_at = ? + per_us, boot_id = ? "
                "WHERE rate IS NOT NULL AND free_at IS NOT NULL",
                (now_us, boot_id),
            )
            self.target.movable.open_up(target)
            noting.remove(target, ARRIVING)
        with self.source.engine.read() as source:
            synced = source.execute("SELECT table_name FROM windlass_sync_resources ORDER BY id").fetchall()
        return Report(rows, running, self._resumed, tuple(name for (name,) in synced))

    def abandon(self) -> None:
        """Gives up a move that has not come to its cut: the source is as before, the target empty.

        Raises:
            MoveRefused: there is none, or the source is closed already.
        """
        ours, theirs = _noted(self.source, MOVING), _noted(self.target, ARRIVING)
        if ours is None:
            raise MoveRefused(f"{self.source.name} is not half-way to anywhere: there is nothing to give up")
        with self.source.engine.write(full=True) as source:
            self.source.movable.forget_changes(source, TABLES)
            noting.remove(source, MOVING)
        if theirs is None or theirs["move"] != ours["move"]:
            return
        with self.target.engine.write(full=True) as target:
            self.target.movable.take_time(target, whole=True)
            self.target.movable.open_up(target)
            noting.remove(target, ARRIVING)
            for table in TABLES:
                target.execute(f"DELETE FROM {table.name}")  # noqa: S608

    # ── rows ───────────────────────────────────────────────────────────────────────────────────
    @property
    def _names(self) -> tuple[str, str]:
        return self.source.name, self.target.name

    def _arriving(self, *, full: bool, at: dict[str, Any] | None = None) -> _Arriving:
        return _Arriving(self.target.engine, full=full, at=at)

    def _changes(self, source: Connection) -> tuple[list[int], list[Change]]:
        """The numbers of what was noted, and what became of those rows."""
        noted = source.execute("SELECT seq, name, key FROM windlass_moving").fetchall()
        changes: list[Change] = []
        for table, keys in _by_table(noted).items():
            now = tally_of(source, table, keys) if self._counted else Tally()
            changes.append(Change(table, keys, self._carrier.rows_of(source, table, keys), now))
        return [seq for seq, _, _ in noted], changes

    def _put_changed(self, target: Connection, changes: Sequence[Change]) -> None:
        counted = self._counted
        before = [tally_of(target, change.table, change.keys) for change in changes] if counted else []
        # All go before any comes: what is unique may have passed from one row to another.
        for change in changes:
            self._carrier.remove(target, change.table, change.keys)
        for change in changes:
            self._carrier.put(target, change.table, change.rows)
        for change, was in zip(changes, before, strict=bool(counted)):
            name, there = change.table.name, tally_of(target, change.table, change.keys)
            refuse_others(name, change.tally, there, self._names)
            counted[name] = counted[name].changed(was, there)


class _Arriving:
    """A transaction of the target in which rows may be written, and nobody else's before or after."""

    def __init__(self, engine: Engine, *, full: bool, at: dict[str, Any] | None) -> None:
        self._writing = engine.write(full=full)
        self._at = at

    def __enter__(self) -> Connection:
        self._connection = self._writing.__enter__()
        self._note = noting.read(self._connection, ARRIVING)
        noting.remove(self._connection, ARRIVING)
        return self._connection

    def __exit__(self, *failure: Any) -> None:  # noqa: PYI036 - handed on as it came
        if failure[0] is None and self._note is not None:
            note = self._note if self._at is None else {**self._note, "at": self._at}
            noting.write(self._connection, ARRIVING, note)
        self._writing.__exit__(*failure)


_UNSENT = """
SELECT name FROM windlass_sync_resources AS r
WHERE EXISTS (SELECT 1 FROM windlass_journal WHERE resource = r.id)
    OR EXISTS (SELECT 1 FROM sync_queue WHERE resource = r.id)
    OR EXISTS (SELECT 1 FROM windlass_sync_batches WHERE resource = r.id)
    OR EXISTS (SELECT 1 FROM windlass_sync_conflicts WHERE resource = r.id)
UNION SELECT coalesce(table_name, '') FROM sync_queue WHERE resource IS NULL
ORDER BY 1
"""


def _refuse_unsent(source: Connection, name: str) -> None:
    """What sync keeps of a table has nothing in it that its remote does not have: it can be had again."""
    if found := source.execute(_UNSENT).fetchall():
        told = ", ".join(resource for (resource,) in found)
        raise MoveRefused(
            f"{name} keeps edits of synced tables that their remotes do not have yet ({told}): stop editing, "
            "push them (windlass sync now), settle what waits for a person (windlass sync conflicts and "
            "dead), then the same command goes on"
        )


def _by_table(noted: Iterable[tuple[int, str, str]]) -> dict[Table, list[tuple[Any, ...]]]:
    """The keys that changed, each once."""
    found: dict[Table, dict[str, tuple[Any, ...]]] = {}
    tables = {table.name: table for table in TABLES}
    for _, name, key in noted:
        found.setdefault(tables[name], {})[key] = tuple(json.loads(key))
    return {table: list(keys.values()) for table, keys in found.items()}


def _noted(side: Side, name: str) -> dict[str, Any] | None:
    with side.engine.read() as connection:
        return noting.read(connection, name)
