"""A column goes on under another name, or is synced again: what the remote has in it is not written over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.sync.databases import Places
from tests.sync.replicas import Collection, Make, Replica

Later = Callable[..., Any]
"""The same database by a program that declares it otherwise."""

VERSIONS = pytest.mark.parametrize("guards", [True, False], ids=["versions", "no-versions"])
POLICIES = pytest.mark.parametrize("policy", ["client", "ask"])


@pytest.fixture
def later(places: Places) -> Later:
    @contextmanager
    def start(ada: Replica, **declaration: Any) -> Iterator[Replica]:
        with closing(Replica(places("replica-0"), ada.wire.collection, **declaration)) as one:
            yield one

    return start


def in_step(replica: Make, guards: bool, **declaration: Any) -> Replica:
    one = replica(collection=Collection(guards=guards), **declaration)
    one.do("INSERT INTO tasks VALUES ('1', 'tea', 0, 'black'), ('2', 'milk', 0, 'whole')")
    one.sync()
    return one


def there(one: Replica, field: str) -> dict[str, Any]:
    return {key: document[field] for key, document in one.wire.collection.alive().items()}


def here(one: Replica, column: str) -> dict[Any, Any]:
    return {key: row[column] for key, row in one.rows().items()}


def quiet(one: Replica) -> None:
    assert one.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
    assert one.push().sent == 0
    assert one.engine.ledger.faults("tasks") == []


@VERSIONS
@POLICIES
def test_what_was_edited_there_while_a_column_got_another_name_here_is_kept(
    replica: Make, later: Later, guards: bool, policy: str
) -> None:
    ada = in_step(replica, guards, on_conflict=policy)
    ada.wire.collection.put("1", title="edited there")
    ada.db.execute("ALTER TABLE tasks RENAME COLUMN title TO name")
    with later(ada, on_conflict=policy, rename={"name": "title"}) as bob:
        bob.sync()
        assert here(bob, "name") == there(bob, "title") == {"1": "edited there", "2": "milk"}
        assert len(bob.wire.collection.applied) == 2
        quiet(bob)


@VERSIONS
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_edit_of_a_column_that_gets_another_name_is_sent(
    replica: Make, later: Later, guards: bool, when: str
) -> None:
    """And it alone: also where it was not sent yet when the name changed."""
    ada = in_step(replica, guards)
    if when == "before":
        ada.db.execute("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
    ada.db.execute("ALTER TABLE tasks RENAME COLUMN title TO name")
    if when == "after":
        ada.db.execute("UPDATE tasks SET name = 'green tea' WHERE id = '1'")
    ada.wire.collection.put("2", title="oat milk")
    with later(ada, rename={"name": "title"}) as bob:
        bob.sync()
        assert here(bob, "name") == there(bob, "title") == {"1": "green tea", "2": "oat milk"}
        assert len(bob.wire.collection.applied) == 3
        quiet(bob)


def test_a_conflict_about_a_column_that_gets_another_name_goes_on(replica: Make, later: Later) -> None:
    ada = in_step(replica, True)
    ada.db.execute("UPDATE tasks SET title = 'mine' WHERE id = '1'")
    ada.wire.collection.put("1", title="theirs")
    ada.sync()
    ada.db.execute("ALTER TABLE tasks RENAME COLUMN title TO name")
    with later(ada, rename={"name": "title"}) as bob:
        bob.sync()
        assert bob.counts()["conflicts"] == 1
        (standing,) = bob.engine.ledger.look("tasks", ["1"]).standings
        assert standing.conflict is not None
        told = [standing.conflict.base, standing.conflict.mine, standing.conflict.theirs]
        assert [side and side["name"] for side in told] == ["tea", "mine", "theirs"]


def test_a_column_that_was_made_anew_under_the_other_name_is_filled_by_the_remote(
    replica: Make, later: Later
) -> None:
    """Dropped and added instead of renamed it is empty: nobody has emptied it."""
    ada = in_step(replica, False)
    ada.db.execute("ALTER TABLE tasks ADD COLUMN remark TEXT")
    ada.db.execute("ALTER TABLE tasks DROP COLUMN note")
    with later(ada, rename={"remark": "note"}) as bob:
        bob.sync()
        assert here(bob, "remark") == there(bob, "note") == {"1": "black", "2": "whole"}
        quiet(bob)


@VERSIONS
@POLICIES
@pytest.mark.parametrize("when", ["while it was excluded", "before it is pulled again"])
def test_what_was_edited_there_wins_in_a_column_that_is_synced_again(
    replica: Make, later: Later, guards: bool, policy: str, when: str
) -> None:
    ada = in_step(replica, guards, on_conflict=policy)
    with later(ada, on_conflict=policy, exclude=["note"]) as bob:
        bob.sync()
        if when == "while it was excluded":
            bob.wire.collection.put("1", note="newer there")
        bob.sync()
        assert here(bob, "note") == {"1": "black", "2": "whole"}
    if when == "before it is pulled again":
        ada.wire.collection.put("1", note="newer there")
    with later(ada, on_conflict=policy) as eve:
        eve.sync()
        assert here(eve, "note") == there(eve, "note") == {"1": "newer there", "2": "whole"}
        assert len(eve.wire.collection.applied) == 2
        eve.db.execute("UPDATE tasks SET note = 'oat' WHERE id = '2'")
        eve.sync()
        assert there(eve, "note") == {"1": "newer there", "2": "oat"}
        quiet(eve)


def test_what_is_only_pushed_is_sent_from_a_column_that_is_synced_again(replica: Make, later: Later) -> None:
    """No pull would tell what the remote has: what is here is right."""
    ada = in_step(replica, False, direction="push")
    with later(ada, direction="push", exclude=["note"]) as bob:
        bob.push()
        bob.db.execute("UPDATE tasks SET note = 'oat' WHERE id = '2'")
        bob.push()
    with later(ada, direction="push") as eve:
        eve.push()
        assert there(eve, "note") == {"1": "black", "2": "oat"}


def test_programs_with_other_columns_of_one_table_send_nothing_for_one_another(
    replica: Make, later: Later
) -> None:
    """As while a service is replaced: each of them finds its own columns again at each turn."""
    ada = in_step(replica, False)
    with later(ada, exclude=["note"]) as bob:
        for turn in range(3):
            ada.wire.collection.put("1", note=f"theirs {turn}")
            bob.sync()
            ada.sync()
            assert here(ada, "note") == {"1": f"theirs {turn}", "2": "whole"}
    assert len(ada.wire.collection.applied) == 2
