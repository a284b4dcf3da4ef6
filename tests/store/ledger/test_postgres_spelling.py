"""What a remote tells is compared as the table tells it: the spelling made here is that of a real server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.postgres.plain import Plain
from tests.store.ledger.conformance.steps import installed
from windlass.change import Column, Table
from windlass.store.ledger import Ledger
from windlass.store.postgres.store import PostgresStore
from windlass.sync.mapping import Mapper
from windlass.sync.remote import Document

ID = "0d9d4a3e-3b3b-4b6e-9a52-0d6f0d3f4f11"
MADE = """CREATE TABLE things (id UUID PRIMARY KEY, at TIMESTAMPTZ, rough TIMESTAMPTZ(3), wall TIMESTAMP,
    whole TIMESTAMP(0), day DATE, clock TIME, short TIME(2))"""


def moments(count: int) -> Iterator[str]:
    """Moments as servers tell them, in many ways; the same ones each time."""
    chance = random.Random(7)
    for _ in range(count):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(-(2**35), 2**37))
        clock = chance.choice(["%H:%M:%S", "%H:%M:%S", "%H:%M:%S", "%H:%M", "23:59:59"])
        told = f"{moment.date()}{chance.choice('T ')}{moment.strftime(clock)}"
        if told.count(":") == 2:
            part = f".{chance.randrange(10**9):09d}"
            told += chance.choice(["", ".5", ".25", ".9999996", part, part[:7], part[:4]])
        yield told + chance.choice(["Z", "z", "+00:00", "+02:00", "-0930", "+14", "-12:45"])


@pytest.fixture
def things(postgres_store: PostgresStore, postgres_schema: str) -> Iterator[tuple[Ledger, Plain]]:
    """The ledger, and another program's connection: the table is synced."""
    with Plain.at(postgres_schema) as db:
        db.execute("SET TimeZone = 'UTC'")
        installed(postgres_store.ledger, db, create=MADE, table="things")
        yield postgres_store.ledger, db


def test_what_is_told_is_spelled_as_the_table_tells_it(things: tuple[Ledger, Plain]) -> None:
    ledger, db = things
    table = ledger.describe("things")
    names = [column.name for column in table.columns]
    rows = [
        [f"{ID[:-4]}{number:04X}", *[text] * (len(names) - 3), text[11:], text[11:]]
        for number, text in enumerate(moments(400))
    ]
    # The server itself reads what the remote has told.
    db.executemany(f"INSERT INTO things VALUES ({', '.join('?' * len(names))})", rows)
    mine = [mapped(table, **dict(zip(names, row, strict=True))) for row in rows]
    kept = ledger.look("things", [row["id"] for row in mine]).standings
    for row, told, there in zip(mine, rows, kept, strict=True):
        assert row == there.row, told


def mapped(table: Table, **fields: Any) -> Any:
    row = Mapper(table).row(Document("1", fields)).row
    assert row is not None
    return dict(row)


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "2026-01-02T25:00:00Z", "", "{0d9d"])
@pytest.mark.parametrize("declared", ["UUID", "DATE", "TIMESTAMP WITH TIME ZONE", "TIME WITHOUT TIME ZONE"])
def test_a_text_that_means_nothing_is_left_for_the_table_to_refuse(declared: str, text: str) -> None:
    table = Table(name="t", key=("id",), columns=(Column("id"), Column("it", declared, "TEXT")))
    assert mapped(table, it=text)["it"] == text
