"""Replicas of one collection: a remote in this process that can be made to fail, and real databases.

The remote is a small honest server (versions, tombstones, remembered mutation ids, pages) with a network in
front of it that a test can cut at any place. HTTP has tests of its own; here the cycle is what is tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.sync.databases import connected, has_table
from windlass.change import Key
from windlass.errors import CursorExpired, Offline, RemoteFault, Throttled, Unauthorized
from windlass.store import open_store
from windlass.sync.cycle import Cycle
from windlass.sync.engine import Engine
from windlass.sync.pulled import Pulled
from windlass.sync.push import Pushed
from windlass.sync.remote import (
    Accepted,
    Ask,
    Document,
    Faulty,
    Gone,
    Outgoing,
    Page,
    Rejected,
    Remote,
    Stale,
    Undelivered,
    Verdict,
)
from windlass.sync.resource import declare
from windlass.testing import ManualClock


class Collection:
    """The server's side: documents by id, each with the number of the change that made it."""

    def __init__(self, *, dedupes: bool = True, guards: bool = True, tombstones: bool = True) -> None:
        self.documents: dict[str, tuple[dict[str, Any] | None, int]] = {}
        self.version = 0
        self.dedupes = dedupes
        self.guards = guards
        self.tombstones = tombstones
        self.remembered: dict[str, Verdict] = {}
        self.applied: list[str] = []
        """The mutation ids that had an effect, in order."""
        self.refuses: Callable[[Outgoing], str | None] = lambda _: None
        self.makes_ids = False

    def put(self, remote_id: str, **fields: Any) -> None:
        """Somebody else writes a document."""
        known = self.documents.get(remote_id, (None, 0))[0] or {"id": remote_id}
        self.version += 1
        self.documents[remote_id] = ({**known, **fields}, self.version)

    def delete(self, remote_id: str) -> None:
        """Somebody else deletes one."""
        self.version += 1
        self.documents[remote_id] = (None, self.version)

    def alive(self) -> dict[str, dict[str, Any]]:
        """What is there."""
        return {one: document for one, (document, _) in self.documents.items() if document is not None}

    def told(self, remote_id: str) -> Document:
        document, version = self.documents.get(remote_id, (None, 0))
        return Document(remote_id, document, str(version) if version else None)

    def take(self, change: Outgoing) -> Verdict:
        """One change, as a server takes it."""
        if self.dedupes and change.mutation_id in self.remembered:
            return self.remembered[change.mutation_id]
        verdict = self._take(change)
        if isinstance(verdict, Accepted):
            self.applied.append(change.mutation_id)
            self.remembered[change.mutation_id] = verdict
        return verdict

    def _take(self, change: Outgoing) -> Verdict:
        if reason := self.refuses(change):
            return Rejected(reason, f'{{"title":"{reason}"}}')
        remote_id = change.remote_id
        if remote_id is None:
            remote_id = f"srv-{self.version + 1}"
        document, version = self.documents.get(remote_id, (None, 0))
        if change.op == "delete":
            if document is None:
                return Gone()
            if self.guards and change.base_version != str(version):
                return Stale(self.told(remote_id))
            self.delete(remote_id)
            return Accepted(None, str(self.version))
        if change.op == "insert" and document is not None:
            return Stale(self.told(remote_id))
        if change.op == "update":
            if document is None:
                return Gone()
            if self.guards and change.base_version != str(version):
                return Stale(self.told(remote_id))
        fields = change.document if change.op == "insert" else {**(document or {}), **change.changed}
        self.put(remote_id, **fields)
        return Accepted(self.documents[remote_id][0], str(self.version), remote_id)


class Wire:
    """The way to a collection, as one replica's remote: it can be cut."""

    origin = "memory:"
    batch = 10

    def __init__(self, collection: Collection, *, page_size: int | None = None) -> None:
        self.collection = collection
        self.page_size = page_size
        self.online = True
        self.fault: Callable[[str], str | None] = lambda _: None
        """Asked for each request (``push``, ``pull`` …): ``lost``, ``unanswered``, ``500``, ``429`` or
        ``401``."""
        self.before: Callable[[str], None] = lambda _: None
        """Called before each request: what happens while it is under way."""
        self.requests: list[tuple[str, Any]] = []

    @property
    def dedupes(self) -> bool:
        return self.collection.dedupes

    def pull(self, ask: Ask) -> Page:
        self._request("pull", ask)
        since, _, after = (ask.page or f"{ask.cursor or 0}:0").partition(":")
        if ask.cursor is not None and ask.cursor == "expired":
            raise CursorExpired("the cursor is too old")
        found = sorted(
            (version, remote_id) for remote_id, (_, version) in self.collection.documents.items()
            if version > max(int(since), int(after))
        )  # fmt: skip
        if ask.validator == str(self.collection.version):
            return Page((), not_modified=True)
        told = [self.collection.told(remote_id) for _, remote_id in found]
        if not self.collection.tombstones or since == "0":
            told = [one for one in told if one.document is not None]
        size = min(ask.limit, self.page_size or ask.limit)
        return Page(
            told[:size],
            next_page=f"{since}:{told[size - 1].version}" if size < len(told) else None,
            watermark=str(self.collection.version) if self.collection.tombstones and not ask.page else None,
            validator=str(self.collection.version),
            complete=since == "0",
            total=len(told),
        )

    def push(self, changes: Sequence[Outgoing]) -> list[Verdict]:
        fault = self._request("push", list(changes))
        if fault == "500":
            return [Faulty("500 Internal Server Error")] * len(changes)
        if fault == "429":
            return [Undelivered(Throttled("429 Too Many Requests", after_s=60), applied=False)] * len(changes)
        verdicts = [self.collection.take(change) for change in changes]
        if fault == "unanswered":
            return [Undelivered(Offline("the connection was cut"), applied=None)] * len(changes)
        return verdicts

    def fetch(self, remote_id: str) -> Document:
        self._request("fetch", remote_id)
        return self.collection.told(remote_id)

    def probe(self, change: Outgoing) -> Verdict | None:
        self._request("probe", change)
        told = self.collection.told(change.remote_id or "")
        if change.op == "delete":
            return Gone() if told.document is None else None
        if told.document is not None and all(
            told.document.get(name) == value for name, value in change.changed.items()
        ):
            return Accepted(told.document, told.version, told.remote_id)
        return None

    def _request(self, kind: str, what: Any) -> str | None:
        self.requests.append((kind, what))
        self.before(kind)
        if not self.online:
            raise Offline("the network is cut", applied=False)
        fault = self.fault(kind)
        if fault == "lost" or (fault == "unanswered" and kind != "push"):
            raise Offline("the connection was cut", applied=None)
        if fault == "401":
            raise Unauthorized("401: who are you?")
        if fault in ("500", "429") and kind != "push":
            raise RemoteFault("500 Internal Server Error")
        return fault


class Told:
    """Keeps the events it is told, as the notifier would."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.open: set[str] = set()

    def tell(self, event: Any, *, subject: str) -> bool:
        if subject in self.open:
            return False
        self.open.add(subject)
        self.events.append(event)
        return True

    def clear(self, subject: str, event: Any = None) -> bool:
        if subject not in self.open:
            return False
        self.open.discard(subject)
        if event is not None:
            self.events.append(event)
        return True


TASKS = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, done INTEGER NOT NULL DEFAULT 0, note TEXT)"


class Replica:
    """One program's database with one synced table, and its own way to the collection."""

    def __init__(
        self, database: str, collection: Collection, *, schema: str = TASKS, page_size: int | None = None,
        clock: ManualClock | None = None, remote: Remote | None = None, **declaration: Any,
    ) -> None:  # fmt: skip
        self.clock = clock or ManualClock()
        self.store = open_store(database, self.clock)
        self.store.migrate()
        self.db = connected(database)
        if not has_table(self.db, "tasks"):
            self.db.executescript(schema)
        self.wire = Wire(collection, page_size=page_size)
        self.told = Told()
        self.engine = Engine(lambda: self.store.ledger, lambda: self.clock, lambda: self.told)
        self.engine.add(declare("tasks", remote or self.wire, **declaration))

    @property
    def cycle(self) -> Cycle:
        return self.engine.cycle("tasks")

    def do(self, sql: str, *values: Any) -> None:
        """An edit, as any program makes it."""
        self.engine.install("tasks")
        self.db.execute(sql, values)

    def rows(self) -> dict[Key, dict[str, Any]]:
        return {row["id"]: dict(row) for row in self.db.execute("SELECT * FROM tasks ORDER BY id")}

    def push(self, **options: Any) -> Pushed:
        return self.engine.push("tasks", force=True, **options)

    def pull(self, **options: Any) -> Pulled:
        return self.engine.pull("tasks", force=True, **options)

    def sync(self) -> None:
        """Pushes, then pulls."""
        self.push()
        self.pull()

    def counts(self) -> Mapping[str, Any]:
        counts = self.cycle.ledger.counts("tasks")
        return {name: getattr(counts, name) for name in ("pending", "failed", "conflicts", "held")}

    def close(self) -> None:
        self.db.close()
        self.store.close()


def settled(*replicas: Replica, chance: random.Random | None = None) -> None:
    """Pushes and pulls all until nothing changes any more."""
    for _ in range(4):
        for one in replicas:
            one.sync()


Make = Callable[..., Replica]
"""What the fixture ``replica`` gives."""


def equal(collection: Collection, *replicas: Replica) -> None:
    """L4: quiet and drained replicas are equal to the collection and to each other."""
    expected = {
        key: {"done": 0, "note": None, "title": None, **document}
        for key, document in collection.alive().items()
    }
    for one in replicas:
        assert one.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
        assert one.rows() == expected
