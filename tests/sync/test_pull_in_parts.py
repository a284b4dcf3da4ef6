"""A pull of everything that is cut off again and again comes to its end all the same."""

from __future__ import annotations

import pytest

from tests.sync.replicas import Collection, Make, Replica
from windlass.sync.telling import Postponed

PAGES_A_TRY = 3


def cut_off(one: Replica) -> None:
    """After so many requests, from now on and at each call."""
    left = [PAGES_A_TRY]

    def fault(kind: str) -> str | None:
        left[0] -= 1
        return "lost" if left[0] < 0 else None

    one.wire.fault = fault


def tries_until_it_ends(one: Replica, *, sweep_all: bool = False) -> int:
    for count in range(1, 7):
        cut_off(one)
        try:
            done = one.pull(sweep_all=sweep_all)
        except Postponed:
            continue
        assert done.ended
        one.wire.fault = lambda _: None
        return count
    pytest.fail("it begins with the first page each time")


@pytest.fixture
def ada(replica: Make, collection: Collection) -> Replica:
    one = replica(page_size=2)
    for number in range(12):
        collection.put(f"{number:02}", title="tea", note="black")
    one.pull()
    return one


@pytest.mark.parametrize(
    "change", ["DROP COLUMN note", "RENAME COLUMN note TO remark", "ADD COLUMN urgency INTEGER"]
)
def test_a_pull_in_parts_ends_after_the_columns_have_changed(
    ada: Replica, collection: Collection, change: str
) -> None:
    for number in range(12):
        collection.put(f"{number:02}", urgency=number)
    ada.db.execute(f"ALTER TABLE tasks {change}")
    assert tries_until_it_ends(ada) <= 3
    assert len(ada.rows()) == 12
    if "urgency" in change:
        assert [row["urgency"] for row in ada.rows().values()] == list(range(12))
    assert ada.pull().pages == 1


def test_a_pull_in_parts_begins_again_where_the_columns_change_once_more(
    ada: Replica, collection: Collection
) -> None:
    """What the first parts told was not told of the newest column."""
    for number in range(12):
        collection.put(f"{number:02}", urgency=number, place=number)
    ada.db.execute("ALTER TABLE tasks ADD COLUMN urgency INTEGER")
    cut_off(ada)
    with pytest.raises(Postponed):
        ada.pull()
    ada.db.execute("ALTER TABLE tasks ADD COLUMN place INTEGER")
    assert tries_until_it_ends(ada) <= 3
    assert [(row["urgency"], row["place"]) for row in ada.rows().values()] == [
        (number, number) for number in range(12)
    ]


def test_a_pull_in_parts_that_may_delete_everything_ends_and_the_next_one_begins_anew(
    replica: Make,
) -> None:
    collection = Collection(tombstones=False)
    ada = replica(collection=collection, page_size=2)
    for number in range(40):
        collection.put(f"{number:02}", title="tea")
    ada.pull()
    for number in range(28):
        collection.documents.pop(f"{number:02}")
    assert tries_until_it_ends(ada, sweep_all=True) <= 3
    assert len(ada.rows()) == 12
    assert ada.pull(sweep_all=True).pages == 6
