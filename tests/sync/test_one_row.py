"""One row through everything that can happen to it: it converges, loses nothing, and sends nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sync.one_row import Habits, Replica, Server
from windlass.change import Conflict
from windlass.sync.merge import Policy, latest, merge, same


def thoughtful(conflict: Conflict) -> Any:
    """A user's function with every kind of answer, and a mistake."""
    if conflict.mine is None or conflict.theirs is None:
        return "mine" if conflict.theirs is None else "theirs"
    kind = sum(map(abs, (conflict.mine["done"], conflict.theirs["done"]))) % 4
    if kind == 0:
        return conflict.mine | {"id": 99}
    return ("mine", "ask", conflict.mine["nonsense"])[kind - 1] if kind < 3 else "theirs"


POLICIES: dict[str, Policy] = {
    "server": "server",
    "client": "client",
    "ask": "ask",
    "latest": latest("at"),
    "merge": merge({"title": "client", "done": "server", "at": latest("at")}, default="server"),
    "half": merge({"title": "client", "at": "client"}),
    "function": thoughtful,
}
FATES = ("well", "reply lost", "request lost", "not sent", "busy", "applied and failed", "rejected", "crash")

MEANWHILE = st.sampled_from(["", "", "", "title", "done", "delete"])
EDIT = st.sampled_from([("edit", "title"), ("edit", "title"), ("edit", "done"), ("delete",), None])
PUSH = st.tuples(st.just("push"), st.sampled_from([*FATES, "well", "reply lost", "reply lost"]), MEANWHILE)
THERE = st.sampled_from(
    [("edit there", "title"), ("edit there", "title"), ("edit there", "done"), ("delete there",), None]
)
PULL = st.sampled_from([("pull",), ("pull",), None])
OTHER = st.sampled_from(
    [
        None,
        None,
        None,
        ("fold",),
        ("late",),
        ("retry",),
        ("revert",),
        ("resolve", "mine"),
        ("resolve", "theirs"),
    ]
)
# An edit here, a push, an edit there and a pull, in this order more often than not: what one of them leaves
# behind is what makes the next one hard.
ROUND = st.one_of(
    st.tuples(EDIT, PUSH, THERE, PULL, OTHER),
    st.tuples(THERE, EDIT, PULL, PUSH, OTHER),
    st.tuples(PUSH, OTHER, PULL, THERE, EDIT),
)
ROUNDS = st.tuples(
    st.sampled_from([(("edit there", "title"), ("pull",)), (("edit there", "title"), ("pull",)), ()]),
    st.lists(ROUND, min_size=1, max_size=4),
).map(lambda drawn: [*drawn[0], *(step for one in drawn[1] for step in one if step)])
Step = tuple[Any, ...]
CHOICE = st.sampled_from(["mine", "theirs"])
EXAMPLES = settings(max_examples=60, deadline=None)


def habits(*, guards: bool) -> st.SearchStrategy[Habits]:
    maybe = st.sampled_from([True, True, False])
    versions = st.just(True) if guards else maybe
    return st.builds(Habits, st.just(guards), versions, maybe, maybe, maybe, maybe, maybe)


def play(server: Habits, policy: Policy, steps: list[Step], choice: Any) -> Replica:
    replica = Replica(Server(server), policy)
    for step in steps:
        match step:
            case ("edit", column):
                replica.edit(column)
            case ("edit there", column):
                replica.edit_there(column)
            case ("delete",):
                replica.delete()
            case ("delete there",):
                replica.delete_there()
            case ("fold",):
                replica.fold()
            case ("late",):
                replica.arrive_late()
            case ("retry",):
                replica.retry()
            case ("revert",):
                replica.revert()
            case ("pull",):
                replica.pull()
            case ("push", fate, ""):
                replica.push(fate)
            case ("push", fate, "delete"):
                replica.push(fate, replica.delete)
            case ("push", fate, column):
                replica.push(fate, lambda column=column: replica.edit(column))
            case ("resolve", side):
                replica.resolve(side)
            case _:
                raise AssertionError(step)
    replica.drain(choice)
    return replica


def assert_equal(replica: Replica) -> None:
    mine, theirs = replica.standing.row, replica.server.row
    assert (mine is None) == (theirs is None), (mine, theirs)
    if mine is not None and theirs is not None:
        assert all(same(mine[name], theirs[name]) for name in theirs), (mine, theirs)
        assert replica.standing.shadow is not None


@pytest.mark.parametrize("policy", POLICIES)
@given(habits(guards=True), ROUNDS, CHOICE)
@EXAMPLES
def test_a_row_and_a_server_that_guards_its_versions_converge_and_lose_nothing(
    policy: str, server: Habits, steps: list[Step], choice: Any
) -> None:
    replica = play(server, POLICIES[policy], steps, choice)
    assert_equal(replica)
    if server.dedupes:
        assert all(times == 1 for times in replica.server.applied.values())


@pytest.mark.parametrize("policy", POLICIES)
@given(habits(guards=False), ROUNDS, CHOICE)
@EXAMPLES
def test_a_row_and_a_server_that_takes_the_last_word_converge(
    policy: str, server: Habits, steps: list[Step], choice: Any
) -> None:
    replica = play(server, POLICIES[policy], steps, choice)
    assert_equal(replica)
    if server.dedupes:
        assert all(times == 1 for times in replica.server.applied.values())


@pytest.mark.parametrize("policy", ["server", "client", "ask", "latest", "merge", "half"])
@given(ROUNDS)
@EXAMPLES
def test_what_the_server_had_from_here_and_was_changed_there_is_never_sent_again(
    policy: str, steps: list[Step]
) -> None:
    unattended = [step for step in steps if step[0] not in ("revert", "resolve")]
    replica = play(Habits(), POLICIES[policy], unattended, "theirs")
    ours = [value for value in replica.server.pushed if value in replica.born]
    assert len(ours) == len(set(ours))
