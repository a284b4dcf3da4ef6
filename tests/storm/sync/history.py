"""What a storm of sync left behind: edits, requests, decisions, final tables. Nothing of Windlass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.storm.journal import entries
from tests.storm.sync.shape import (
    FIELDS,
    Rows,
    Traits,
    connected,
    database,
    is_postgres,
    left_to_do,
    named,
    plain,
    rows_of,
)

Values = dict[str, Any]
Place = tuple[str, str]
"""Table and identity."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One row changed by one transaction of an editor."""

    t: int
    replica: int
    table: str
    uid: str
    op: str
    key: int | str
    """Of the row at that replica, which has two as long as it takes a row of its own for somebody else's."""
    values: Values
    before: Values | None
    acked: bool = True

    @property
    def place(self) -> Place:
        return self.table, self.uid


@dataclass(frozen=True, kw_only=True)
class Request:
    """One write that reached the server."""

    t: int
    replica: int
    method: str
    table: str
    id: str
    """Empty where the server is to make one."""
    body: Values | None = None
    match: str | None = None
    none_match: str | None = None
    key: str | None = None
    status: int = 200
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Write:
    """What became of a request: a new version of a row; a tombstone where ``fields`` is None."""

    t: int
    replica: int
    table: str
    uid: str
    id: str
    version: int
    fields: Values | None
    key: str | None = None


@dataclass(frozen=True)
class Decision:
    """What was answered about a conflict; by whom, about what, and which columns of this side went."""

    t: int
    replica: int
    table: str
    uid: str
    overruled: frozenset[str]


@dataclass
class History:
    """One storm, as seen from outside. Everything is in the order of its time."""

    traits: dict[int, Traits]
    edits: list[Edit] = field(default_factory=list[Edit])
    requests: list[Request] = field(default_factory=list[Request])
    writes: list[Write] = field(default_factory=list[Write])
    decisions: list[Decision] = field(default_factory=list[Decision])
    finals: dict[int, Rows] = field(default_factory=dict[int, Rows])
    left: dict[int, str] = field(default_factory=dict[int, str])
    damage: dict[int, str] = field(default_factory=dict[int, str])

    def by_place(self) -> dict[Place, list[Write]]:
        """The writes of each row; a row that has two ids at the server has them all."""
        found: dict[Place, list[Write]] = defaultdict(list)
        for write in self.writes:
            found[write.table, write.uid].append(write)
        return found

    def server(self) -> Rows:
        """What the server holds in the end."""
        last = {(write.table, write.id): write for write in self.writes}
        return {
            table: named(
                (write.uid, plain(write.fields))
                for write in last.values()
                if write.table == table and write.fields is not None
            )
            for table in ("crates", "notes")
        }


def read(folder: Path, traits: list[Traits]) -> History:
    """Everything in a folder."""
    history = History({one.number: one for one in traits})
    for path in sorted(folder.glob("editor-*.log")):
        history.edits += _edits(path)
    history.edits.sort(key=lambda edit: edit.t)
    _read_server(folder / "server.log", history)
    for line in entries(folder / "decisions.log"):
        # A try whose answer is not known may have been carried out.
        if line["what"] in ("try", "decision"):
            history.decisions.append(
                Decision(line["t"], line["replica"], line["table"], line["uid"], frozenset(line["overruled"]))
            )
    for one in traits:
        path = database(folder, one.number)
        history.finals[one.number] = rows_of(path)
        history.left[one.number] = left_to_do(path)
        if is_postgres(path):
            history.damage[one.number] = "ok"
            continue
        with closing(connected(path)) as reader:
            history.damage[one.number] = reader.execute("PRAGMA integrity_check").fetchone()[0]
    return history


def _edits(path: Path) -> Iterator[Edit]:
    lines = list(entries(path))
    acked = {line["tx"] for line in lines if line["what"] == "ack"}
    for line in lines:
        if line["what"] == "try":
            yield Edit(
                t=line["t"],
                replica=line["replica"],
                table=line["table"],
                uid=line["uid"],
                op=line["op"],
                key=line["key"],
                values=line["values"],
                before=line["before"],
                acked=line["tx"] in acked,
            )


def _read_server(path: Path, history: History) -> None:
    uids: dict[tuple[str, str], str] = {}
    for line in entries(path):
        _, table, *rest = line["path"].split("/")
        request = Request(
            t=line["t"],
            replica=line["replica"],
            method=line["method"],
            table=table,
            id=rest[0] if rest else "",
            body=line["body"],
            match=line["match"],
            none_match=line["none_match"],
            key=line["key"],
            status=line["status"],
            replayed=line["replayed"],
        )
        history.requests.append(request)
        for version, id_, fields in line["effects"]:
            if fields is not None:
                uids.setdefault((table, id_), fields.get("uid", id_))
            uid = uids.get((table, id_), id_)
            history.writes.append(
                Write(
                    t=request.t,
                    replica=request.replica,
                    table=table,
                    uid=uid,
                    id=id_,
                    version=version,
                    fields=None if fields is None else _told(table, fields, uids),
                    key=request.key,
                )
            )


def _told(table: str, fields: Values, uids: dict[tuple[str, str], str]) -> Values:
    """As an editor tells it: the crate by its uid."""
    told: Values = {name: fields.get(name) for name in FIELDS}
    if table == "notes":
        crate = fields.get("crate")
        told["crate"] = crate and uids.get(("crates", str(crate)), f"no crate {crate}")
    return told
