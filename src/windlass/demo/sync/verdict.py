"""Whether all is as it should be at the end: compares the rows, believes nothing told on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from windlass.demo.server.moody import Tally
from windlass.demo.sync.tale import Tale

Rows = Mapping[str, Mapping[str, Any]]
"""Of one table, by id."""
_SHOWN = 3


class Count(msgspec.Struct, frozen=True):
    """One table, everywhere the same."""

    table: str
    rows: int
    digest: str
    """Of the hashes of all rows, at the server."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The summary; ``complaints`` is empty where both replicas and the server are equal."""

    tables: list[Count]
    rows: int
    tally: Tally
    complaints: list[str]

    @property
    def holds(self) -> bool:
        """Nothing is amiss."""
        return not self.complaints


def judge(
    server: Mapping[str, Rows],
    replicas: Mapping[str, Mapping[str, Rows]],
    waiting: Mapping[str, Sequence[str]],
    tale: Tale,
    tally: Tally,
) -> Verdict:
    """Compares every row of every table, and looks for each edit of the tale.

    ``waiting``: what each replica still has to say of its own accord, such as "2 conflicts".
    """
    hashed = {name: _hashed(rows) for name, rows in server.items()}
    complaints: list[str] = []
    for who, tables in replicas.items():
        for name, known in hashed.items():
            complaints += differences(who, name, known, _hashed(tables.get(name, {})))
        complaints += [f"{who} has {what}" for what in waiting.get(who, ())]
    complaints += endings(tale, {"the server": server, **replicas})
    if tally.twice:
        complaints.append(f"{len(tally.twice)} changes took effect more than once: {tally.twice[:_SHOWN]}")
    return Verdict(
        tables=[Count(name, len(rows), _digest(rows)) for name, rows in hashed.items()],
        rows=sum(len(rows) for rows in hashed.values()),
        tally=tally,
        complaints=complaints,
    )


def differences(who: str, table: str, server: Mapping[str, str], replica: Mapping[str, str]) -> list[str]:
    """What a replica lacks, has too much, or has otherwise; the arguments hold a hash for each row."""
    found: list[str] = []
    for what, ids in (
        ("lacks", server.keys() - replica.keys()),
        ("still has", replica.keys() - server.keys()),
        ("differs in", {id_ for id_ in server.keys() & replica.keys() if server[id_] != replica[id_]}),
    ):
        if ids:
            named = ", ".join(sorted(ids)[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            found.append(f"{who} {what} {len(ids):,} rows of {table}: {named}")
    return found


def endings(tale: Tale, everywhere: Mapping[str, Mapping[str, Rows]]) -> list[str]:
    """Each row of the tale that did not end as it should have."""
    found: list[str] = []
    for who, tables in everywhere.items():
        rows = tables.get(tale.table, {})
        for id_, expected in tale.ending.items():
            row = rows.get(id_)
            if expected is None:
                if row is not None:
                    found.append(f"{who} still has {tale.table} {id_}, which was deleted")
            elif row is None:
                found.append(f"{who} lacks {tale.table} {id_}")
            else:
                found += [
                    f"{who}: the {column} of {tale.table} {id_} is {row.get(column)!r}, not {value!r}"
                    for column, value in expected.items()
                    if row.get(column) != value
                ]
    return found


def _hashed(rows: Rows) -> dict[str, str]:
    return {
        id_: hashlib.sha256(msgspec.json.encode(dict(row), order="sorted")).hexdigest()
        for id_, row in rows.items()
    }


def _digest(hashes: Mapping[str, str]) -> str:
    whole = "".join(f"{id_}\0{hashes[id_]}\0" for id_ in sorted(hashes))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]
