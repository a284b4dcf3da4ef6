"""What a value becomes in a column, by a real table's word."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Generator
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from windlass.change import Affinity, Column, Table
from windlass.sync.mapping import Mapper, as_kept, join_key, split_key
from windlass.sync.remote import Document

AFFINITIES: tuple[Affinity, ...] = get_args(Affinity)
LARGEST = 2**63 - 1

blanks = st.text(" \t\n\x0b\x0c\r\x1c\xa0\0", max_size=2)
digits = st.text("0123456789", max_size=25)
numerals = st.builds(
    lambda *parts: "".join(parts),
    blanks,
    st.sampled_from(("", "+", "-", "--", "−")),
    st.sampled_from(("", "0", "000", "0x", "٤")),
    digits,
    st.sampled_from(("", ".", ".0", ".5", "_1", ",5")),
    digits,
    st.sampled_from(("", "e5", "E+3", "e-7", "e", "e+", "e400", "e-400", "e5.0")),
    blanks,
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), LARGEST),
    st.floats(),
    st.integers(-(2**66), 2**66).map(float),
    st.text(),
    numerals,
    st.binary(),
)

Keeper = Callable[[Any], dict[Affinity, Any]]


@pytest.fixture(scope="module")
def keep() -> Generator[Keeper]:
    """What a real table keeps of a value, in a column of each affinity."""
    connection = sqlite3.connect(":memory:")
    columns = ", ".join(f"in_{one.lower()} {one}" for one in AFFINITIES)
    connection.execute(f"CREATE TABLE kept ({columns})")

    def keep(value: Any) -> dict[Affinity, Any]:
        connection.execute("DELETE FROM kept")
        connection.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?)", [value] * len(AFFINITIES))
        return dict(zip(AFFINITIES, connection.execute("SELECT * FROM kept").fetchone(), strict=True))

    yield keep
    connection.close()


def is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def differs_by_rounding(ours: Any, theirs: Any, given: Any) -> bool:
    """SQLite's own conversions between text and fractions are not exact in the last of their digits."""
    if type(ours) is float and type(theirs) is float and type(given) is str:
        return math.isclose(ours, theirs, rel_tol=1e-15)
    if type(ours) is str and type(theirs) is str and type(given) is float and math.isfinite(given):
        return math.isclose(float(ours), float(theirs), rel_tol=1e-14)
    return False


@given(values)
@example(float("inf"))
@example(float("-inf"))
@example(float("nan"))
@example(-0.0)
@example(5e-324)
@example(1e15)
@example(1e16)
@example(123456789012345680.0)
@example(9223372036854775807.0)
@example(-9223372036854775808.0)
@example(True)
@example("-0")
@example("-0.0")
@example("9223372036854775807")
@example("9223372036854775808")
@example("-9223372036854775808")
@example("-9223372036854775809")
@example("9223372036854775807.0")
@example("9007199254740993")
@example("0" * 5000 + "7")
@example("7" * 5000)
@example("." + "7" * 5000)
@example("1e999999999")
@example("Inf")
@example("nan")
@example("١٢")
@example("1_000")
@example("0x10")
@example("12\0")
@example("\x1c12")
@example("\t 12 \n")
@example(".")
@example("5.")
@example(".5e1")
@example("")
@example(b"12")
def test_a_value_is_as_sqlite_would_keep_it(keep: Keeper, value: Any) -> None:
    for affinity, theirs in keep(value).items():
        ours = as_kept(value, affinity)
        assert is_same(ours, theirs) or differs_by_rounding(ours, theirs, value), (affinity, ours, theirs)


@given(values)
@example(0.1 + 0.2)
@example("0.30000000000000004")
@example("1e23")
@example(-0.0)
def test_what_was_written_is_read_back_as_it_was(keep: Keeper, value: Any) -> None:
    for affinity in AFFINITIES:
        ours = as_kept(value, affinity)
        assert is_same(keep(ours)[affinity], ours), affinity
        assert is_same(as_kept(ours, affinity), ours), affinity


def test_a_text_of_digits_and_something_else_is_read_in_no_time(keep: Keeper) -> None:
    text = "1" * 1_000_000 + "x"
    assert as_kept(text, "NUMERIC") is text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), LARGEST) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values.filter(lambda value: value is not None))
@example(5)
@example("5")
@example(5.0)
@example("1e5")
@example({"b": 1, "a": [None, True]})
def test_json_means_the_same_after_sqlite_has_kept_it(keep: Keeper, value: Any) -> None:
    """A column declared JSON makes numbers of texts that look like them."""
    columns = (Column("id", "INTEGER", "INTEGER"), Column("tags", "JSON", "NUMERIC"))
    mapper = Mapper(Table(name="notes", key=("id",), columns=columns, makes_keys=True))
    row = mapper.row(Document("1", {"id": 1, "tags": value})).row
    assert row is not None
    assert is_same(keep(row["tags"])["NUMERIC"], row["tags"])
    assert mapper.document(row)["tags"] == value


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
@given(
    st.lists(
        st.integers(-(2**63), LARGEST) | st.text() | st.integers(-(10**6), 10**6).map(lambda n: n / 8),
        min_size=2,
        max_size=4,
    )
)
@example(["de", 7])
@example(['"\\/\b\f\n\r\t\x1f\x7f', "ä€😀"])
@example([1e20, 1.5, 2.0])
def test_a_key_of_several_columns_is_spelled_as_the_triggers_spell_it(parts: list[Any]) -> None:
    with_nul = any("\0" in part for part in parts if isinstance(part, str))
    connection = sqlite3.connect(":memory:")
    try:
        told = connection.execute(f"SELECT json_array({', '.join('?' * len(parts))})", parts).fetchone()[0]
    finally:
        connection.close()
    # SQLite's JSON ends a text at its first NUL, in some of its versions.
    assert with_nul or join_key(parts) == told
    assert split_key(join_key(parts), len(parts)) == parts


def test_a_key_of_one_column_is_the_value_itself() -> None:
    assert (join_key([7]), join_key(["7"]), split_key("7", 1)) == (7, "7", ["7"])
