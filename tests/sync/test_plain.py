"""The shortest way of a push leaves behind what the long ones do, byte for byte, whatever the remote says."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sync.test_mapping import NOTES
from windlass import Windlass
from windlass.change import Column, Edits, Row, Table
from windlass.errors import Offline, StoreUnavailable
from windlass.sync.exchange import work_meanwhile
from windlass.sync.mapping import Mapper, Unmappable
from windlass.sync.pending import difference
from windlass.sync.plain import changes_of, documents_of
from windlass.sync.remote import (
    Accepted,
    Ask,
    Document,
    Faulty,
    Gone,
    Outgoing,
    Page,
    Rejected,
    Stale,
    Undelivered,
    Verdict,
)
from windlass.sync.telling import Postponed
from windlass.testing import ManualClock

pytestmark = pytest.mark.sqlite

TASKS = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, done INTEGER, any)"
KEYS = ("a", "b", "c", "d", "e")
LEDGER = {
    "tasks": "*",
    "windlass_sync_shadows": "*",
    "windlass_sync_conflicts": "resource, key, base, mine, theirs, version",
    "windlass_sync_quarantine": "resource, remote_id, document, reason",
    "windlass_sync_batches": "resource, look, size, keys, operations, versions, data",
    # In what order, not by which numbers: the ways use up different many of them.
    "windlass_journal": "resource, key, op, row_number() OVER (ORDER BY resource, seq)",
    "sync_queue": (
        "type, local_id, data, retry_count, status, error_message, key, captured, mutation_id IS NULL,"
        " base_version, due_at > 0, conflicts, hold, problem"
    ),
}


class Scripted:
    """A remote that says what it was told to say of each key, and lets someone edit rows meanwhile."""

    origin, batch, dedupes = "scripted:", 50, True

    def __init__(self) -> None:
        self.script: dict[str, Verdict] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        self.waits: Callable[[], Any] = lambda: None
        self.sent: list[Outgoing] = []

    def pull(self, ask: Ask) -> Page:
        told = [
            Document(key, {"id": key, "title": f"title of {key}", "done": 0, "any": None, "by": "her"}, "v1")
            for key in KEYS
        ]
        return Page(told, complete=True)

    def push(self, changes: Sequence[Outgoing]) -> list[Verdict]:
        self.sent += changes
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.waits()
        return [self.script.pop(str(one.key), Accepted(None, "v2", one.remote_id)) for one in changes]

    def fetch(self, remote_id: str) -> Document:
        return Document(remote_id, {"id": remote_id, "title": "theirs", "done": 1, "any": 7}, "v9")

    def probe(self, change: Outgoing) -> Verdict | None:
        return None


class Side:
    """One program; ``plainly`` False: all of its changes go the long ways."""

    def __init__(self, path: Path, *, plainly: bool) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("" if self._has_table() else TASKS)
        self.remote = Scripted()
        self.app = Windlass(path, clock=ManualClock())
        self.tasks = self.app.sync.resource("tasks", remote=self.remote)
        self.app.sync.install()
        self.app.sync.engine.cycle("tasks").mapper.tells_plainly &= plainly
        self.settled = 0
        ledger = self.app.store.ledger
        settle = ledger.settle_batch

        def counted(*told: Any) -> Any:
            self.settled += 1
            return settle(*told)

        ledger.settle_batch = counted  # type: ignore[method-assign]

    def _has_table(self) -> bool:
        return bool(self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'tasks'").fetchone())

    def close(self) -> None:
        self.app.close()
        self.db.close()

    def edit(self, edits: Sequence[tuple[str, str, Any]]) -> None:
        for key, what, value in edits:
            match what:
                case "delete":
                    self.db.execute("DELETE FROM tasks WHERE id = ?", (key,))
                case "insert":
                    self.db.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, 0, NULL)", (key, str(value)))
                case column:
                    self.db.execute(f"UPDATE tasks SET {column} = ? WHERE id = ?", (value, key))

    def push(self) -> Any:
        try:
            done = self.tasks.push()
        except Postponed as error:
            return str(error)
        return done.accepted, done.conflicts, sorted(done.rejected), sorted(done.asked), sorted(done.over)

    def ledger(self) -> dict[str, list[str]]:
        return {
            table: sorted(map(repr, self.db.execute(f"SELECT {columns} FROM {table}")))
            for table, columns in LEDGER.items()
        }

    def said(self) -> list[Outgoing]:
        said, self.remote.sent = self.remote.sent, []
        return [one._replace(mutation_id="") for one in said]


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose rows all have their shadows."""
    path = tmp_path_factory.mktemp("plain") / "pulled.db"
    with closing(Side(path, plainly=True)) as side:
        side.tasks.pull()
        side.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@contextmanager
def both(pulled: Path) -> Iterator[tuple[Side, Side]]:
    """The same program twice: one that goes the shortest way, and one that never does."""
    sides: list[Side] = []
    for name in ("plain", "long"):
        path = pulled.with_name(f"{name}.db")
        shutil.rmtree(f"{path}-windlass", ignore_errors=True)
        for end in ("", "-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)
        shutil.copy(pulled, path)
        sides.append(Side(path, plainly=name == "plain"))
    try:
        yield sides[0], sides[1]
    finally:
        for side in sides:
            side.close()


VALUES = st.sampled_from(["tea", "title of a", "title of b", "", "ÿ\u2028", 0, 1, 2**62, None])
ODD = st.sampled_from([1.5, 0.0, float("inf"), b"\xff"])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["title", "title", "title", "done", "done", "any", "delete"]),
        VALUES,
    )
    | st.tuples(st.sampled_from(KEYS), st.just("any"), ODD)
    | st.tuples(st.sampled_from(["a", "new"]), st.just("insert"), VALUES),
    max_size=8,
)
TITLES = st.lists(st.tuples(st.sampled_from(KEYS), st.just("title"), VALUES), min_size=1, max_size=6)
WHOLE = {"id": "a", "title": "as it wants it", "done": 1, "any": None}
SAID = st.sampled_from(
    [
        Accepted(None, "v3"),
        Accepted(None, None),
        Accepted(None, "v3", "another id"),
        Accepted(WHOLE, "v3"),
        Accepted({"title": ["no text"]}, "v3"),
        Stale(),
        Stale(Document("a", {**WHOLE, "title": "theirs"}, "v9")),
        Gone(),
        Rejected("no", '{"title":"no"}'),
        Faulty("trouble"),
        Faulty("trouble", 5.0, False),
        Undelivered(Offline("gone"), False),
        Undelivered(Offline("gone"), None),
    ]
)
SCRIPT = st.dictionaries(st.sampled_from(KEYS), SAID, max_size=2)


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(st.tuples(TITLES | EDITS, SCRIPT, EDITS), min_size=1, max_size=3))
def test_the_shortest_way_and_the_long_one_leave_the_same_ledger(
    pulled: Path, rounds: list[tuple[list[tuple[str, str, Any]], dict[str, Verdict], Any]]
) -> None:
    with both(pulled) as sides:
        for edits, script, meanwhile in rounds:
            told: list[Any] = []
            for side in sides:
                side.edit(edits)
                side.remote.script = dict(script)
                side.remote.meanwhile = lambda side=side, edits=meanwhile: side.edit(edits)
                told.append((side.push(), side.said(), side.ledger()))
            assert told[0] == told[1]
        assert sides[1].settled == 0


def test_plain_updates_go_the_shortest_way_and_others_do_not(pulled: Path) -> None:
    with both(pulled) as (side, _):
        side.edit([(key, "title", "tea") for key in KEYS])
        assert side.push() == (5, 0, [], [], [])
        assert side.settled == 1
        assert side.said()[0] == Outgoing(
            "a", "update", "", "a", {"title": "tea"},
            {"by": "her", "id": "a", "title": "tea", "done": 0, "any": None}, "v1",
        )  # fmt: skip
        for odd in (("a", "delete", None), ("new", "insert", "tea"), ("b", "any", 1.5), ("b", "any", b"")):
            side.edit([("c", "title", f"beside {odd}"), odd])
            side.push()
            assert side.settled == 1


def test_what_is_edited_while_its_batch_is_under_way_is_sent_after_it(pulled: Path) -> None:
    """P5, on the shortest way."""
    with both(pulled) as (side, _):
        side.edit([("a", "title", "tea"), ("b", "title", "tea")])
        side.remote.meanwhile = lambda: side.edit([("a", "title", "green tea")])
        side.push()
        assert side.settled == 1
        said = [(one.key, one.changed) for one in side.said()]
        assert said == [("a", {"title": "tea"}), ("b", {"title": "tea"}), ("a", {"title": "green tea"})]


def test_the_next_batch_is_sealed_while_one_is_under_way(pulled: Path) -> None:
    with both(pulled) as (side, _):
        sealed: list[int] = []

        def waits() -> None:
            work_meanwhile()
            ((batches,),) = side.db.execute("SELECT count(*) FROM windlass_sync_batches")
            sealed.append(batches)

        side.remote.batch, side.remote.waits = 2, waits
        side.edit([(key, "title", "tea") for key in KEYS])
        assert side.push() == (5, 0, [], [], [])
        assert (sealed, side.settled) == ([2, 2, 1], 3)
        assert [one.key for one in side.said()] == list(KEYS)
        assert side.tasks.status().pending == 0


@pytest.mark.parametrize("verdict", [Undelivered(Offline("gone"), None), Undelivered(Offline("gone"), False)])
def test_what_was_sealed_ahead_and_not_sent_is_as_if_it_had_not_been_sealed(
    pulled: Path, verdict: Verdict
) -> None:
    """P6: an outage counts no attempt, and P2: what was not sent is no resend."""
    with both(pulled) as (side, other):
        for one in (side, other):
            one.remote.batch = 2
            one.remote.script = {"a": verdict, "b": verdict}
            one.edit([(key, "title", "tea") for key in KEYS])
        side.remote.waits = work_meanwhile
        assert side.push() == other.push()
        assert [one.key for one in side.said()] == ["a", "b"]
        assert side.ledger() == other.ledger()
        side.push()
        assert {one.key: one.resend for one in side.said()} == {
            key: key in "ab" and verdict.applied is None for key in KEYS
        }


def test_a_row_that_is_edited_again_is_not_sealed_beside_its_own_batch(pulled: Path) -> None:
    with both(pulled) as (side, _):
        side.remote.batch, side.remote.waits = 2, work_meanwhile
        side.edit([(key, "title", "tea") for key in ("a", "b", "c")])
        side.remote.meanwhile = lambda: side.edit([("a", "title", "green tea")])
        side.push()
        said = {(one.key, one.changed["title"]) for one in side.said()}
        assert said == {("a", "tea"), ("b", "tea"), ("c", "tea"), ("a", "green tea")}
        assert not side.ledger()["sync_queue"]


def test_a_failure_of_what_is_done_meanwhile_is_told_after_the_batch_is_settled(
    pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both(pulled) as (side, _):
        side.remote.batch, side.remote.waits = 2, work_meanwhile
        side.edit([(key, "title", "tea") for key in KEYS])
        ledger = side.app.store.ledger

        def full(*_: Any, **__: Any) -> None:
            raise StoreUnavailable("the disk is full")

        side.remote.meanwhile = lambda: monkeypatch.setattr(ledger, "seal_batch", full)
        with pytest.raises(StoreUnavailable):
            side.tasks.push()
        monkeypatch.undo()
        assert side.settled == 1
        assert side.push()[0] == 3
        assert [(one.key, one.resend) for one in side.said()] == [(key, False) for key in KEYS]


@settings(max_examples=40, deadline=None)
@given(rounds=st.lists(st.tuples(TITLES | EDITS, SCRIPT, EDITS), min_size=1, max_size=3))
def test_sealing_ahead_changes_nothing_in_the_end(
    pulled: Path, rounds: list[tuple[list[tuple[str, str, Any]], dict[str, Verdict], Any]]
) -> None:
    with both(pulled) as sides:
        sides[0].remote.waits = work_meanwhile
        for side in sides:
            side.remote.batch = 2
            side.app.sync.engine.cycle("tasks").mapper.tells_plainly = True
            for edits, script, meanwhile in rounds:
                side.remote.script = dict(script)
                side.edit(edits)
                side.remote.meanwhile = lambda side=side, edits=meanwhile: side.edit(edits)
                side.push()
            side.remote.script, side.remote.meanwhile = {}, lambda: None
            for _ in range(3):
                side.app.clock.advance("1d")
                side.push()
        assert sides[0].ledger() == sides[1].ledger()


KEPT = st.sampled_from([0, 1, 1.0, -0.5, float("inf"), float("nan"), "tea", "1", "", None, b"", b"1"])


@given(
    st.lists(
        st.tuples(
            st.fixed_dictionaries({"id": KEPT, "title": KEPT}),
            st.fixed_dictionaries({"id": KEPT, "title": KEPT}),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_columns_differ_as_their_rows_do(pairs: list[tuple[Row, Row]]) -> None:
    names = ("id", "title")
    count = len(pairs)
    edits = Edits(
        1, (1, count), names, [[row[name] for row, _ in pairs] for name in names], list(range(count)),
        [[shadow[name] for _, shadow in pairs] for name in names],
        ["v1"] * count, [None] * count, [None] * count,
    )  # fmt: skip
    found = [difference(row, shadow) for row, shadow in pairs]
    expected = None if None in found else [(one or ("", {}))[1] for one in found]
    told = changes_of(edits)
    changed = None if told is None else told[0]
    assert changed is None or [repr(sorted(one.items())) for one in changed] == [
        repr(sorted(one.items())) for one in expected or ()
    ]
    assert (changed is None) == (expected is None)


WIDE = Table(
    name="wide",
    key=("id",),
    columns=(Column("id", "TEXT", "TEXT"), Column("title", "TEXT", "TEXT"), Column("any", "", "BLOB")),
)
TOLD = st.dictionaries(st.sampled_from(["id", "title", "any"]), KEPT, max_size=3)


@pytest.mark.parametrize("ids", ["client", "server"])
@given(rows=st.lists(TOLD, min_size=1, max_size=3))
def test_documents_of_columns_told_as_they_are(ids: str, rows: list[Row]) -> None:
    mapper = Mapper(WIDE, ids=ids)
    assert mapper.tells_plainly
    try:
        expected = [mapper.document(row) for row in rows]
    except Unmappable:
        assert documents_of(mapper, rows) is None
        return
    found = documents_of(mapper, rows)
    assert found is None or found == expected


def test_columns_that_tell_something_else_are_not_told_plainly() -> None:
    assert not Mapper(NOTES).tells_plainly
    assert not Mapper(WIDE, rename={"title": "name"}).tells_plainly
    assert not Mapper(WIDE, to_remote=lambda fields: fields).tells_plainly
