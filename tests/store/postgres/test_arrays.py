"""Arrays as text: the server reads back what was meant, whatever it looks like."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.store.postgres.arrays import bigints, texts
from windlass.store.postgres.statements import statements_on
from windlass.store.postgres.store import PostgresStore

SEVERAL = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ODD = st.sampled_from(
    ["", "NULL", "null", "{}", '"', "\\", '\\"', ",", "a,b", " ", "{a}", "\n", '{"a":"\\u0000"}']
)
TEXTS = st.lists(st.none() | ODD | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
BIGINTS = st.lists(st.integers(-(2**63), 2**63 - 1))


def read(store: PostgresStore, kind: str, told: str) -> Any:
    with store.database.read() as connection:
        return statements_on(connection).run(f"SELECT %s::{kind}[]", (told,)).fetchall()[0][0]


@SEVERAL
@given(values=TEXTS)
def test_texts_come_back(postgres_store: PostgresStore, values: list[str | None]) -> None:
    assert read(postgres_store, "text", texts(values)) == values


@SEVERAL
@given(values=BIGINTS)
def test_whole_numbers_come_back(postgres_store: PostgresStore, values: list[int]) -> None:
    assert read(postgres_store, "bigint", bigints(values)) == values
