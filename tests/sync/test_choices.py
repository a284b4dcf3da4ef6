"""What a person says about a conflict or a dead letter."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync.standings import (
    GREEN,
    TEA,
    asked,
    change,
    dead,
    received,
    replace,
    sealed,
)
from windlass.change import Change, Row, Shadow, Standing
from windlass.errors import SyncError
from windlass.sync.pending import DISCARDED, carried_out
from windlass.sync.reconcile import (
    discard,
    edit,
    resolve,
    retry,
    revert,
    seal,
)

ARCHIVE = Change(seq=8, key=1, op="archive", captured=False, status="failed", attempts=5, error="no")


@pytest.mark.parametrize(
    ("choice", "title", "sends"),
    [
        ("mine", "green tea", {"title": "green tea", "note": "mine"}),
        ("theirs", "coffee", {"note": "mine"}),
        ({"title": "both"}, "both", {"title": "both", "note": "mine"}),
    ],
)
def test_a_choice_decides_what_is_contested_and_keeps_the_rest_of_both(
    choice: Any, title: str, sends: Row
) -> None:
    standing = asked()
    after = carried_out(standing, resolve(standing, choice, 10))
    assert after.row == {"id": 1, "title": title, "note": "mine", "done": 1}
    assert (after.conflict, change(after)) == (None, ("update", sends))
    assert after.pending is not None
    assert after.pending.hold is None


def test_a_conflict_ends_when_the_row_is_edited_to_what_the_remote_has() -> None:
    standing = asked()
    assert standing.shadow is not None
    agreed = standing._replace(row=standing.shadow.row)
    assert carried_out(agreed, seal(agreed, "m2", 10)) == Standing(1, agreed.row, agreed.shadow)


def test_a_choice_that_cannot_be_is_refused() -> None:
    with pytest.raises(SyncError, match="has no conflict to resolve"):
        resolve(Standing(1, TEA, None), "mine", 10)
    with pytest.raises(SyncError, match="leaves open what title becomes"):
        resolve(asked(), {"done": 3}, 10)
    with pytest.raises(SyncError, match='expected "mine", "theirs" or a row, got \'ours\''):
        resolve(asked(), "ours", 10)  # type: ignore[arg-type]


def test_a_dead_letter_is_retried_as_it_is() -> None:
    after = carried_out(dead(), retry(dead(), 10))
    assert after.pending == Change(
        seq=3, id="c3", key=1, op="update", data={"title": "green tea"}, created_at_us=5
    )


def test_a_dead_letter_is_edited_and_sent_anew() -> None:
    effect = edit(dead(), {"title": "mint"}, 10)
    assert effect.row == {**TEA, "title": "mint"}
    assert isinstance(effect.pending, Change)
    assert (effect.pending.status, effect.pending.data) == ("pending", {"title": "mint"})
    with pytest.raises(SyncError, match="which is no column of it"):
        edit(dead(), {"tilte": "mint"}, 10)
    with pytest.raises(SyncError, match="is deleted here"):
        edit(dead(None), {"title": "mint"}, 10)


def test_a_discarded_change_is_kept_from_pulls_and_sent_with_the_next_edit() -> None:
    given_up = carried_out(dead(), discard(dead(), 10))
    assert given_up.row == GREEN
    assert given_up.pending is not None
    assert (given_up.pending.status, given_up.pending.hold) == ("failed", DISCARDED)
    assert received(given_up, {**TEA, "done": 1}).row == {**GREEN, "done": 1}
    edited = given_up._replace(row={**GREEN, "done": 2})
    after = carried_out(edited, seal(edited, "m2", 11)).sent
    assert after is not None
    assert (after.data, after.hold) == ({"title": "green tea", "done": 2}, None)


def test_a_reverted_row_is_the_remotes_again() -> None:
    assert carried_out(dead(), revert(dead(), 10)) == Standing(1, TEA, Shadow(TEA, "v1", "1"))
    assert carried_out(dead(None), revert(dead(None), 10)).row == TEA
    sent = sealed(GREEN)._replace(explicit=(ARCHIVE,))
    assert change(carried_out(sent, revert(sent, 10))) == ("update", {"title": "tea"})


def test_a_row_without_a_dead_letter_has_nothing_to_put_right() -> None:
    unsent = Standing(1, GREEN, Shadow(TEA, "v1"))
    new = Standing(1, GREEN, None)
    for verb in (retry, discard, revert):
        for standing in (unsent, new, asked(), sealed(GREEN), Standing(1, None, None)):
            with pytest.raises(SyncError, match="1 has no change that failed"):
                verb(standing, 10)


def test_operations_that_failed_are_retried_or_removed() -> None:
    waits = replace(ARCHIVE, seq=9, status="pending")
    standing = Standing(1, TEA, Shadow(TEA, "v1"), explicit=(ARCHIVE, waits))
    assert retry(standing, 10).explicit == (replace(ARCHIVE, status="pending", attempts=0, error=None),)
    assert discard(standing, 10).ended == (8,)
    assert revert(standing, 10).ended == (8,)
