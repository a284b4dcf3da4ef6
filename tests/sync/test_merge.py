"""The three-way merge: nothing is lost, nothing is invented, and only what is contested is judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from windlass.change import Conflict, Row
from windlass.errors import ConfigError, SyncError
from windlass.sync.merge import (
    ASK,
    Asks,
    Merged,
    Policy,
    checked_policy,
    decided,
    latest,
    merge,
    named_columns,
    same,
    same_row,
    three_way,
)

VALUES = st.one_of(st.none(), st.integers(0, 2), st.sampled_from([1.0, "1", "b", b"b", b"1"]))
COLUMNS = ("id", "a", "b", "c")


def full(value: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"id": st.just(1), "a": value, "b": value, "c": value})


ROWS = full()
MAYBE = st.one_of(st.none(), ROWS)
TOLD = st.one_of(MAYBE, st.fixed_dictionaries({"id": st.just(1), "a": VALUES}))
"""A remote does not have to tell every column."""
WORDS = st.sampled_from(["server", "client", "ask"])
POLICIES: st.SearchStrategy[Policy] = st.one_of(
    WORDS,
    st.just(latest("c")),
    st.builds(merge, st.dictionaries(st.sampled_from("abc"), WORDS), default=WORDS),
    st.sampled_from(
        [lambda _: "mine", lambda _: "theirs", lambda _: ASK, lambda _: None, lambda one: one.mine]
    ),
)
WAS: Row = {"id": 1, "title": "tea", "done": 0}


# ── properties ─────────────────────────────────────────────────────────────────────────────────────
@given(MAYBE, MAYBE, TOLD, POLICIES)
def test_every_column_comes_from_a_side_and_only_contested_ones_are_judged(
    base: Row | None, mine: Row | None, theirs: Row | None, policy: Policy
) -> None:
    found = three_way(base, mine, theirs, policy, key=("id",))
    if mine is None or theirs is None or isinstance(found, Asks) or found.row is None:
        return
    assert found.row.keys() == mine.keys()
    for name, value in found.row.items():
        here, there = mine[name], theirs.get(name, mine[name])
        was = base[name] if base is not None else None
        assert same(value, here) or same(value, there)
        if base is not None and same(here, was):
            assert same(value, there), "an edit there was lost"
        if base is not None and same(there, was):
            assert same(value, here), "an edit here was lost"


@given(MAYBE, MAYBE, TOLD, POLICIES)
def test_to_merge_again_changes_nothing(
    base: Row | None, mine: Row | None, theirs: Row | None, policy: Policy
) -> None:
    found = three_way(base, mine, theirs, policy)
    assume(isinstance(found, Merged))
    assert isinstance(found, Merged)
    # The remote's row is the new base: what is not in it is an edit here, and stays one.
    told = theirs if theirs is None else {**(mine or base or {}), **theirs}
    assert same_row(known(three_way(told, found.row, theirs, policy)), found.row)
    if policy in ("server", "client"):
        assert same_row(known(three_way(base, found.row, theirs, policy)), found.row)


@given(MAYBE, MAYBE, POLICIES)
def test_where_one_side_did_nothing_the_other_one_is_taken(
    base: Row | None, edited: Row | None, policy: Policy
) -> None:
    assert same_row(known(three_way(base, base, edited, policy)), edited)
    assert same_row(known(three_way(base, edited, base, policy)), edited)


@given(MAYBE, MAYBE, MAYBE)
def test_server_and_client_are_each_other_with_the_sides_exchanged(
    base: Row | None, mine: Row | None, theirs: Row | None
) -> None:
    one, other = three_way(base, mine, theirs, "server"), three_way(base, theirs, mine, "client")
    assert same_row(known(one), known(other))


@given(ROWS, ROWS, st.sets(st.sampled_from("abc")), POLICIES)
def test_edits_of_different_columns_commute_and_both_stay(
    base: Row, other: Row, here: set[str], policy: Policy
) -> None:
    mine = {**base, **{name: other[name] for name in here}}
    theirs = {**base, **{name: other[name] for name in "abc" if name not in here}}
    assert same_row(known(three_way(base, mine, theirs, policy)), other)
    assert same_row(known(three_way(base, theirs, mine, policy)), other)


@given(ROWS, ROWS, ROWS)
def test_asking_names_exactly_what_changed_differently_on_both_sides(
    base: Row, mine: Row, theirs: Row
) -> None:
    contested = {
        name
        for name in COLUMNS
        if not same(mine[name], theirs[name])
        and not same(mine[name], base[name])
        and not same(theirs[name], base[name])
    }
    found = three_way(base, mine, theirs, "ask")
    assert (set(found.fields) if isinstance(found, Asks) else set[str]()) == contested


@given(ROWS, ROWS)
def test_without_a_base_all_that_differs_is_contested(mine: Row, theirs: Row) -> None:
    differ = tuple(name for name in mine if not same(mine[name], theirs[name]))
    found = three_way(None, mine, theirs, "ask")
    assert found == (Asks(differ) if differ else Merged(mine))


@given(MAYBE, MAYBE, MAYBE, POLICIES)
def test_a_deletion_here_or_there_wins_only_where_the_policy_says_so(
    base: Row | None, mine: Row | None, theirs: Row | None, policy: Policy
) -> None:
    assume((mine is None) != (theirs is None))
    kept = theirs if mine is None else mine
    found = three_way(base, mine, theirs, policy)
    if base is None or same_row(kept, base):
        assert found == Merged(kept if base is None else None)
    elif policy in ("server", "client"):
        assert found == Merged(theirs if policy == "server" else mine)
    elif not callable(policy) and policy != "ask":
        assert found == Merged(kept), "an edit was lost to a deletion"


def known(found: Merged | Asks) -> Row | None:
    assert isinstance(found, Merged), found
    return found.row


# ── values ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True), (2**53 + 1, float(2**53), False), (1, "1", False), ("1", b"1", False),
        (None, None, True), (None, 0, False), (None, "", False), (0.0, -0.0, True), (True, 1, True),
        (b"1", b"1", True),
        (float("nan"), float("nan"), True), ("\u00e9", "e\u0301", False),
    ],
)  # fmt: skip
def test_values_are_the_same_where_sqlite_keeps_them_as_one(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_a_column_that_the_remote_does_not_tell_stays() -> None:
    assert three_way(WAS, {**WAS, "done": 1}, {"id": 1, "title": "coffee"}, "ask") == Merged(
        {"id": 1, "title": "coffee", "done": 1}
    )
    assert three_way(WAS, None, {"id": 1, "title": "coffee"}, "server") == Merged({**WAS, "title": "coffee"})


def test_no_policy_changes_a_key() -> None:
    there = {**WAS, "id": 2, "title": "coffee"}
    assert three_way(WAS, WAS, there, "server", key=("id",)) == Merged({**WAS, "title": "coffee"})
    assert three_way(None, WAS, there, lambda _: {"id": 3, "title": "x"}, key=("id",)) == Merged(
        {**WAS, "title": "x"}
    )


# ── policies ───────────────────────────────────────────────────────────────────────────────────────
HERE, THERE = {**WAS, "title": "green tea", "done": 1}, {**WAS, "title": "coffee", "done": 2}


def test_each_field_is_judged_by_its_own_policy() -> None:
    both = merge({"title": "client"}, default="server")
    assert three_way(WAS, HERE, THERE, both) == Merged({"id": 1, "title": "green tea", "done": 2})
    assert three_way(WAS, HERE, THERE, merge({"title": "client"})) == Asks(("done",))


@pytest.mark.parametrize(
    ("here", "there", "title"),
    [
        (3, 2, "green tea"), (2, 3, "coffee"), (3, 3.0, "coffee"),
        ("2026-05-01T10:00:00Z", "2026-05-01 11:00:00+02:00", "green tea"),
        ("2026-05-01T10:00:00.5", "2026-05-01T10:00:00Z", "green tea"),
        ("2026-05-01", "2026-05-02", "coffee"),
    ],
)  # fmt: skip
def test_the_latest_edit_is_told_by_a_column(here: Any, there: Any, title: str) -> None:
    found = three_way({**WAS, "at": 1}, {**HERE, "at": here}, {**THERE, "at": there}, latest("at"))
    assert known(found) is not None
    assert (known(found) or {})["title"] == title


@pytest.mark.parametrize(("here", "there"), [(None, 2), ("soon", "2026-05-01"), (2, "2026-05-01")])
def test_where_the_times_cannot_be_compared_a_person_is_asked(here: Any, there: Any) -> None:
    found = three_way({**WAS, "at": 1}, {**HERE, "at": here}, {**THERE, "at": there}, latest("at"))
    assert isinstance(found, Asks)
    assert "at does not say which edit is later" in (found.reason or "")
    assert "title" in found.fields


def test_a_function_sees_all_sides_and_the_version() -> None:
    told: list[Conflict] = []
    assert three_way(WAS, HERE, THERE, lambda one: told.append(one) or "mine", version="v2") == Merged(HERE)
    assert told == [Conflict(base=WAS, mine=HERE, theirs=THERE, version="v2")]


def test_a_function_is_not_asked_where_nothing_is_contested() -> None:
    assert three_way(WAS, {**WAS, "done": 1}, {**WAS, "title": "x"}, lambda _: 1 / 0) == Merged(
        {"id": 1, "title": "x", "done": 1}
    )


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: "newest", 'expected "mine", "theirs", "ask", a row or None, got \'newest\''),
        (lambda _: {"title": "x"}, "the row leaves open what done becomes"),
        (lambda _: {"title": "x", "done": 1, "nope": 1}, "the row names 'nope', which is no column of it"),
        (
            lambda _: {"title": ["x"], "done": 1},
            "expected title to be a number, text, bytes or None, got list",
        ),
    ],
)
def test_a_function_that_fails_is_one_that_asks_and_says_why(policy: Any, told: str) -> None:
    found = three_way(WAS, HERE, THERE, policy)
    assert isinstance(found, Asks)
    assert found.fields == ("title", "done")
    assert told in (found.reason or "")


def test_a_function_may_name_the_contested_columns_alone_or_delete_the_row() -> None:
    note = {**HERE, "note": "mine alone"}
    answer = three_way(
        {**WAS, "note": ""}, note, {**THERE, "note": ""}, lambda _: {"title": "x", "done": True}
    )
    assert answer == Merged({"id": 1, "title": "x", "done": 1, "note": "mine alone"})
    assert three_way(WAS, HERE, THERE, lambda _: None) == Merged(None)


def test_a_persons_row_must_decide_all_that_is_contested() -> None:
    assert decided(WAS, HERE, THERE, {"title": "x", "done": 3}) == {"id": 1, "title": "x", "done": 3}
    assert decided(WAS, None, THERE, {"done": 3}) == {**THERE, "done": 3}
    with pytest.raises(SyncError, match="leaves open what done becomes: both sides changed it"):
        decided(WAS, HERE, THERE, {"title": "x"})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: checked_policy("latest"),
            r'on_conflict: "latest" does not say .* write latest\("updated_at"\)',
        ),  # type: ignore[arg-type]
        (lambda: checked_policy("mine"), 'expected on_conflict to be one of "server", "client", "ask"'),  # type: ignore[arg-type]
        (lambda: checked_policy(None), r"or a function of the conflict, got None"),  # type: ignore[arg-type]
        (lambda: merge({"title": "latest"}), r"merge\(fields=\{'title': …\}\): \"latest\" does not say"),  # type: ignore[dict-item]
        (lambda: merge({"title": merge()}), r"expected merge\(fields=\{'title': …\}\) to be one of"),  # type: ignore[dict-item]
        (lambda: merge(default="mine"), r"expected merge\(default=…\) to be one of"),  # type: ignore[arg-type]
        (lambda: merge({"": "ask"}), r"expected merge\(fields=…\) to be named by columns"),
        (lambda: latest(""), r'expected latest\(\) to name a column, as latest\("updated_at"\)'),
    ],
)
def test_a_policy_that_cannot_be_is_refused_when_it_is_declared(make: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make()


def test_a_policy_says_which_columns_it_speaks_of() -> None:
    assert named_columns(merge({"title": "client", "done": latest("at")})) == {"title", "done", "at"}
    assert named_columns(latest("at")) == {"at"}
    assert named_columns("ask") == frozenset()
    for policy in ("server", latest("at"), merge({"title": "client"}), print):
        assert checked_policy(policy) == policy
