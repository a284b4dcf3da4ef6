"""The tables of the storm, and which replica settles conflicts how. Known to all; nothing of Windlass."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

FIELDS = ("title", "body", "rank", "weight", "stamp")
"""Columns that are edited. ``stamp`` grows with each edit of the row."""
_FIELDS = "title TEXT, body TEXT, rank INTEGER, weight REAL, stamp INTEGER NOT NULL DEFAULT 0"
# A row that takes the key of a deleted one is sent as a change of that one: no uid would tell them apart.
SCHEMA = f"""
CREATE TABLE crates (id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL, {_FIELDS});
CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, crate INTEGER REFERENCES crates (id), {_FIELDS});
"""
IDENTITY = {"crates": "uid", "notes": "id"}
"""What a row is known by everywhere. Ids of crates are the server's, and differ from replica to replica."""
LASTING = "k"
"""Crates whose uid begins so are never deleted: notes refer to no others."""

POLICIES = ("client", "server", "merge", "latest", "ask")
MERGED = {"title": "client", "body": "server", "rank": "latest"}
"""How ``merge`` settles these columns; the others by ``client``."""

DATABASES = "databases.json"
STATES = "SELECT state FROM windlass_sync_resources"

Rows = dict[str, dict[str, dict[str, Any]]]
"""By table and identity."""


class Traits(NamedTuple):
    """How one replica is made."""

    number: int
    policy: str
    url: str
    update: str = "PATCH"
    batch: bool = False
    dedupes: bool = True
    threads: bool = False
    """A program that runs its jobs itself, in threads; otherwise a service with an isolate."""
    plant: str | None = None

    def text(self) -> str:
        return json.dumps(self._asdict())

    @classmethod
    def of(cls, text: str) -> Traits:
        return cls(**json.loads(text))


def database(folder: Path, number: int) -> str:
    """A file in the folder, or what ``on_postgres`` wrote down there."""
    if (folder / DATABASES).exists():
        return json.loads((folder / DATABASES).read_text())[number]
    return str(folder / f"replica-{number}.db")


def is_postgres(database: str) -> bool:
    return "://" in database


def connected(database: str) -> Any:
    """A connection as any program has it; each statement commits by itself unless it says BEGIN."""
    if is_postgres(database):
        from tests.postgres.plain import Plain

        return Plain.at(database)
    connection = sqlite3.connect(database, timeout=60, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def on_postgres(folder: Path, replicas: int) -> Iterator[None]:
    """A server whose databases are those of the storm in that folder."""
    from tests.postgres.programs import MAIN
    from tests.postgres.server import Server

    with Server.made(MAIN) as server, ExitStack() as stack:
        urls = [server.url(stack.enter_context(server.database())) for _ in range(replicas)]
        (folder / DATABASES).write_text(json.dumps(urls))
        yield


def policy_of(policy: str, column: str) -> str:
    """``client``, ``server``, ``latest`` or ``ask``: what decides a column that both sides changed."""
    return MERGED.get(column, "client") if policy == "merge" else policy


def rows_of(path: str) -> Rows:
    """A replica's tables, as any program reads them; the crate of a note by its uid."""
    found: Rows = {}
    with closing(connected(path)) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if is_postgres(path) else "BEGIN")
        uids = {row["id"]: row["uid"] for row in reader.execute("SELECT id, uid FROM crates")}
        for table, identity in IDENTITY.items():
            rows = [dict(row) for row in reader.execute(f"SELECT * FROM {table}")]
            for row in rows:
                if row.get("crate") is not None:
                    row["crate"] = uids.get(row["crate"], f"no crate {row['crate']}")
            found[table] = named((row[identity], plain(row)) for row in rows)
    return found


def named(rows: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rows by their identity; those that share one in an order that is the same everywhere."""
    found: dict[str, dict[str, Any]] = {}
    for identity, row in sorted(rows, key=repr):
        name = identity
        while name in found:
            name += " again"
        found[name] = row
    return found


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is told by the identity or differs from place to place."""
    return {name: row[name] for name in (*FIELDS, "crate") if name in row}


def left_to_do(path: str) -> str:
    """What a replica still has to send or to ask, in words; empty where there is nothing."""
    questions = {
        "changes queued": "SELECT count(*) FROM sync_queue WHERE status = 'pending'",
        "changes failed": "SELECT count(*) FROM sync_queue WHERE status <> 'pending'",
        "edits not looked at": "SELECT count(*) FROM windlass_journal WHERE resource > 0",
        "conflicts": "SELECT count(*) FROM windlass_sync_conflicts",
        "rows in quarantine": "SELECT count(*) FROM windlass_sync_quarantine",
    }
    with closing(connected(path)) as reader:
        counts = {what: reader.execute(sql).fetchone()[0] for what, sql in questions.items()}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def pulled_us(path: str) -> int:
    """When all tables of a replica had last been told all there was to tell, by the wall clock; 0: never."""
    with closing(connected(path)) as reader:
        states = [json.loads(text or "{}") for (text,) in reader.execute(STATES)]
    return min((state.get("pulled_at_us") or 0 for state in states), default=0)


def differences(server: Rows, local: Rows, most: int = 3) -> list[str]:
    """Where a replica differs from the server, in words."""
    found: list[str] = []
    for table in IDENTITY:
        theirs, ours = server.get(table, {}), local.get(table, {})
        found += [
            f"{table} {uid} is {ours.get(uid)}, at the server {theirs.get(uid)}"
            for uid in sorted(theirs.keys() | ours.keys())
            if theirs.get(uid) != ours.get(uid)
        ]
    return [*found[:most], f"… {len(found) - most} more"] if len(found) > most else found
