"""The ledger in PostgreSQL keeps the contract of every ledger."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from tests.postgres.plain import Plain
from tests.service.waiting import until
from tests.store.ledger.conformance import LedgerConformance
from tests.store.ledger.conformance.steps import arrival, do, installed, standing, titles
from tests.store.postgres_schemas import Schemas
from windlass.change import Key
from windlass.errors import InvalidJob
from windlass.store.ledger import Ledger
from windlass.store.postgres.store import PostgresStore


@pytest.fixture
def ledger(postgres_store: PostgresStore) -> Ledger:
    return postgres_store.ledger


@pytest.fixture
def db(postgres_store: PostgresStore, postgres_schema: str) -> Iterator[Plain]:
    with Plain.at(postgres_schema) as connection:
        yield connection


class TestPostgresLedger(LedgerConformance):
    """Runs the suite on a real server."""

    def test_a_row_and_its_shadow_come_back_as_they_went_in(self, ledger: Ledger, db: Any) -> None:
        """As in the suite, without the text that PostgreSQL cannot hold: the one with a NUL."""
        installed(ledger, db)
        row = {"id": "ä", "title": "'\"%s\\", "done": 2**62, "note": "\n"}
        do(ledger, arrival("ä")._replace(row=row))
        assert standing(ledger, "ä").row == row


class TestWithoutHints(TestPostgresLedger):
    """And without advisory locks: who holds a resource is told by a row."""

    @pytest.fixture
    def postgres_schema(self, postgres_schemas: Schemas) -> Iterator[str]:
        with postgres_schemas.empty(windlass_hints="off") as url:
            yield url


def test_an_edit_that_commits_after_one_with_a_higher_number_is_not_passed_over(
    ledger: Ledger, db: Plain, postgres_schema: str
) -> None:
    """Numbers of the journal are given in one order and committed in the other."""
    installed(ledger, db)
    do(ledger, arrival("a"), arrival("b"))
    with Plain.connect(postgres_schema) as slow:
        slow.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
        db.execute("UPDATE tasks SET title = 'later' WHERE id = 'b'")
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a", "b"])
            slow.commit()
            theirs = [arrival("a", "theirs", "v2"), arrival("b", "theirs too", "v2")]
            assert ledger.write(hold, look.mark, theirs) == ["a"]
    assert titles(db) == {"a": "mine", "b": "theirs too"}
    assert ledger.journal("tasks") == ["a"]


def test_an_edit_that_commits_while_its_row_is_written_is_not_overwritten(
    ledger: Ledger, db: Plain, postgres_schema: str
) -> None:
    """A write waits for the row of an open transaction, and sees then that it was edited."""
    installed(ledger, db)
    do(ledger, arrival("a"))
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    given_back: list[Key] = []
    with Plain.connect(postgres_schema) as slow:
        slow.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
        writer = Thread(target=lambda: given_back.extend(do(ledger, arrival("a", "theirs", "v2"))))
        writer.start()
        until(lambda: db.execute(waits).fetchone()[0] == 1)
        slow.commit()
        writer.join()
    assert given_back == ["a"]
    assert titles(db) == {"a": "mine"}
    assert ledger.journal("tasks") == ["a"]


def test_a_table_that_is_emptied_at_once_is_captured_row_by_row(ledger: Ledger, db: Plain) -> None:
    installed(ledger, db)
    do(ledger, arrival("a"), arrival("b"))
    db.execute("TRUNCATE tasks")
    assert sorted(ledger.journal("tasks")) == ["a", "b"]  # type: ignore[type-var]


def test_a_trigger_that_is_switched_off_is_a_fault(ledger: Ledger, db: Plain) -> None:
    installed(ledger, db)
    db.execute("ALTER TABLE tasks DISABLE TRIGGER windlass_sync_1_update")
    assert "windlass_sync_1_update" in ledger.faults("tasks")[0]
    assert ledger.install("tasks", ledger.describe("tasks"))
    assert ledger.faults("tasks") == []


def test_an_operation_joins_a_callers_transaction(ledger: Ledger, db: Plain, postgres_schema: str) -> None:
    installed(ledger, db)
    with Plain.connect(postgres_schema) as theirs:
        ledger.enqueue(op="ship", table="tasks", local_id="a", data=None, connection=theirs)
        assert ledger.changes() == []
        theirs.commit()
    assert [change.op for _, change in ledger.changes()] == ["ship"]
    with pytest.raises(InvalidJob):
        ledger.enqueue(op="ship", table="tasks", local_id="a", data=None, connection=object())


def test_columns_of_many_types_come_back_as_they_went_in(ledger: Ledger, db: Plain) -> None:
    installed(
        ledger, db, table="things",
        create="CREATE TABLE things (id UUID PRIMARY KEY, at TIMESTAMPTZ, day DATE, ok BOOLEAN, told JSONB,"
        " tags TEXT[], sizes INTEGER[], price NUMERIC(10, 2), data BYTEA, twice INTEGER GENERATED ALWAYS AS"
        " (2) STORED)",
    )  # fmt: skip
    row = {
        "id": "0d9d4a3e-3b3b-4b6e-9a52-0d6f0d3f4f11", "at": "2026-01-02T03:04:05Z", "day": "2026-01-02",
        "ok": 1, "told": '{"a":1,"b":[true]}', "tags": '["x","y"]', "sizes": "[1,2]", "price": 1.25,
        "data": b"bytes",
    }  # fmt: skip
    key = row["id"]
    do(ledger, arrival("x")._replace(key=key, row=row), resource="things")
    assert standing(ledger, key, "things").row == row
