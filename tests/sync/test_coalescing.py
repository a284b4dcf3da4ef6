"""Coalescing: whatever was done to a row, one change is pending, and it is the difference that is left."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from windlass.change import KEEP, Change, Row, Shadow, Standing
from windlass.sync.merge import same_row
from windlass.sync.pending import carried_out
from windlass.sync.reconcile import basis, difference, fold, held, seal

TEA: Row = {"id": 1, "title": "tea", "done": 0}
VALUES = st.one_of(st.none(), st.integers(0, 2), st.sampled_from(["0", "x", 0.0, b"x"]))
ROWS = st.one_of(st.none(), st.fixed_dictionaries({"id": st.just(1), "title": VALUES, "done": VALUES}))
replace = msgspec.structs.replace


def pending(standing: Standing) -> Change | None:
    return carried_out(standing, fold(standing, 7)).pending


def edited(row: Row | None, *, shadow: Row | None = None, was: Change | None = None) -> Change | None:
    known = None if shadow is None else Shadow(shadow, "v1")
    return pending(Standing(1, row, known, pending=was))


def applied(row: Row | None, op: str, data: Row) -> Row | None:
    return {"insert": data, "delete": None, "update": {**(row or {}), **data}}[op]


@given(ROWS, ROWS)
def test_a_difference_turns_one_row_into_the_other(row: Row | None, was: Row | None) -> None:
    found = difference(row, was)
    assert (found is None) == same_row(row, was)
    if found is not None:
        assert same_row(applied(was, *found), row)


@given(ROWS, ROWS)
def test_an_update_names_the_columns_that_differ_and_no_others(row: Row | None, was: Row | None) -> None:
    found = difference(row, was)
    if found is not None and found[0] == "update":
        assert row is not None
        assert was is not None
        for name in row:
            assert (name in found[1]) == (not same_row({"": row[name]}, {"": was[name]}))


@given(ROWS, st.lists(ROWS, min_size=1))
def test_what_is_pending_depends_on_the_last_edit_alone(shadow: Row | None, edits: list[Row | None]) -> None:
    known = None if shadow is None else Shadow(shadow, "v1")
    standing = Standing(1, shadow, known)
    for row in edits:
        standing = standing._replace(row=row)
        standing = carried_out(standing, fold(standing, 7))
    at_once = Standing(1, edits[-1], known)
    found, expected = standing.pending, carried_out(at_once, fold(at_once, 7)).pending
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.op, same_row(found.data, expected.data)) == (expected.op, True)


@given(ROWS, ROWS, ROWS)
def test_what_was_sealed_stays_as_it_is_whatever_is_edited_then(
    shadow: Row | None, row: Row | None, then: Row | None
) -> None:
    before = Standing(1, row, None if shadow is None else Shadow(shadow, "v1"))
    sealed = carried_out(before, seal(before, "m1", 7))
    if sealed.sent is None:
        assert same_row(row, shadow)
        return
    assert same_row(basis(sealed), row)
    after = sealed._replace(row=then)
    effect = fold(after, 8)
    assert effect.sent is KEEP
    assert (carried_out(after, effect).pending is None) == same_row(then, row)


def test_an_update_of_what_was_not_sent_yet_is_still_an_insert() -> None:
    was = edited(TEA)
    assert was is not None
    found = edited({**TEA, "done": 1}, was=replace(was, seq=3))
    assert found is not None
    assert (found.seq, found.op, found.data) == (3, "insert", {**TEA, "done": 1})


def test_an_insert_that_is_deleted_again_is_nothing() -> None:
    assert edited(None, was=edited(TEA)) is None


def test_an_edit_that_is_taken_back_is_nothing() -> None:
    assert edited(TEA, shadow=TEA, was=edited({**TEA, "done": 1}, shadow=TEA)) is None
    assert edited({**TEA, "done": 0.0}, shadow=TEA) is None


def test_a_row_that_is_deleted_and_made_anew_is_an_update() -> None:
    was = edited(None, shadow=TEA)
    assert was is not None
    assert (was.op, was.data) == ("delete", {})
    found = edited({**TEA, "title": "coffee"}, shadow=TEA, was=was)
    assert found is not None
    assert (found.op, found.data) == ("update", {"title": "coffee"})


def test_text_and_numbers_are_different_edits() -> None:
    found = edited({**TEA, "done": "0"}, shadow=TEA)
    assert found is not None
    assert found.data == {"done": "0"}


def test_a_column_that_the_remote_never_told_is_sent_once_it_has_a_value() -> None:
    assert edited({**TEA, "note": None}, shadow=TEA) is None
    found = edited({**TEA, "note": "hot"}, shadow=TEA)
    assert found is not None
    assert found.data == {"note": "hot"}


def test_a_pending_change_keeps_its_place_its_attempts_and_its_hold() -> None:
    was = Change(
        seq=3, id="c3", key=1, op="update", data={"done": 1}, attempts=2, conflicts=1, created_at_us=1,
        due_at_us=99, error="503", hold="parent:lists:pending:1",
    )  # fmt: skip
    found = edited({**TEA, "done": 2}, shadow=TEA, was=was)
    assert found == replace(was, data={"done": 2})


def test_a_dead_letter_that_is_edited_is_pending_again_and_counted_anew() -> None:
    dead = Change(
        seq=3, key=1, op="update", data={"done": 1}, status="failed", attempts=5, error="no", problem="{}"
    )
    assert edited({**TEA, "done": 1}, shadow=TEA, was=dead) == dead
    found = edited({**TEA, "done": 2}, shadow=TEA, was=dead)
    assert found == Change(seq=3, key=1, op="update", data={"done": 2})


def test_a_change_on_hold_is_not_sealed_and_takes_in_later_edits() -> None:
    before = Standing(1, {**TEA, "done": 1}, Shadow(TEA, "v1"))
    holding = carried_out(before, held(before, "child:notes", 7))
    assert holding.pending is not None
    assert holding.pending.hold == "child:notes"
    later = holding._replace(row={**TEA, "done": 2})
    effect = seal(later, "m1", 8)
    assert effect.sent is KEEP
    assert isinstance(effect.pending, Change)
    assert (effect.pending.data, effect.pending.hold) == ({"done": 2}, "child:notes")
    free = carried_out(later, held(later, None, 9))
    assert free.pending is not None
    assert (free.pending.data, free.pending.hold) == ({"done": 2}, None)


def test_sealing_takes_in_an_edit_that_was_not_folded_yet() -> None:
    stale: Any = Change(seq=3, key=1, op="update", data={"done": 1})
    effect = seal(Standing(1, {**TEA, "title": "coffee"}, Shadow(TEA, "v1"), pending=stale), "m1", 8)
    assert isinstance(effect.sent, Change)
    assert effect.sent == replace(
        stale, data={"title": "coffee"}, mutation_id="m1", base_version="v1", attempts=1
    )
    assert effect.pending is None


def test_a_resend_keeps_everything_and_counts_one_more_attempt() -> None:
    sent = Change(
        seq=3, key=1, op="update", data={"done": 1}, mutation_id="m1", base_version="v1", attempts=1
    )
    effect = seal(Standing(1, {**TEA, "done": 2}, Shadow(TEA, "v2"), sent), "m2", 8)
    assert effect.sent == replace(sent, attempts=2)
    assert isinstance(effect.pending, Change)
    assert effect.pending.data == {"done": 2}
