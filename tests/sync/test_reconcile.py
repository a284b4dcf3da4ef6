"""What each step means for one row: answers, and what a pull brings."""

from __future__ import annotations

import pytest

from tests.sync.standings import (
    COFFEE,
    GREEN,
    TEA,
    UNSEALED,
    asked,
    change,
    dead,
    received,
    replace,
    sealed,
    settled,
)
from windlass.change import KEEP, Change, Conflict, Effect, RemoteRow, Shadow, Standing
from windlass.sync.merge import Policy
from windlass.sync.pending import carried_out
from windlass.sync.reconcile import (
    Failing,
    Met,
    Refused,
    Took,
    Waiting,
    receive,
    retry,
    seal,
    settle,
)


# ── accepted ───────────────────────────────────────────────────────────────────────────────────────
def test_what_was_accepted_becomes_the_shadow_and_nothing_is_pending() -> None:
    after = settled(sealed(GREEN), Took(None, "v2"))
    assert after == Standing(1, GREEN, Shadow(GREEN, "v2", "1"))


def test_what_the_remote_made_of_it_comes_back() -> None:
    effect = settle(
        sealed(GREEN), Took({"title": "Green Tea", "done": 7}, "v2", extra={"by": "me"}), "ask", 9
    )
    assert effect.row == {"id": 1, "title": "Green Tea", "done": 7}
    assert effect.shadow == Shadow(effect.row, "v2", "1", {"by": "me"})
    assert effect.remote


def test_an_edit_made_while_its_row_was_sent_stays_queued() -> None:
    """P5."""
    during = sealed(GREEN)._replace(row={**GREEN, "title": "black tea", "done": 1})
    after = settled(during, Took({"title": "Green Tea", "done": 0}, "v2"), "server")
    assert after.row == {"id": 1, "title": "black tea", "done": 1}
    assert change(after) == ("update", {"title": "black tea", "done": 1})
    assert after.sent is None


def test_a_row_deleted_while_its_insert_was_sent_is_deleted_there_next() -> None:
    after = settled(sealed(TEA, None)._replace(row=None), Took({**TEA, "made": 1}, "v1", "r1"))
    assert after.row is None
    assert change(after) == ("delete", {})
    assert after.shadow == Shadow({**TEA, "made": 1}, "v1", "r1")


def test_an_accepted_delete_leaves_nothing() -> None:
    assert settled(sealed(None), Took()) == Standing(1, None, None)


def test_a_row_made_anew_while_its_delete_was_sent_is_inserted_next() -> None:
    after = settled(sealed(None)._replace(row=COFFEE), Took())
    assert (after.row, after.shadow, change(after)) == (COFFEE, None, ("insert", COFFEE))


def test_an_answer_to_what_is_not_sealed_any_more_changes_nothing() -> None:
    standing = Standing(1, COFFEE, Shadow(COFFEE, "v3"))
    for answer in (Took(GREEN, "v2"), Met(RemoteRow("1", None)), Refused("no"), Failing("no", 9), Waiting()):
        assert settle(standing, answer, "server", 9) == Effect(1)


# ── a newer version ────────────────────────────────────────────────────────────────────────────────
def test_a_change_that_met_a_newer_version_is_merged_and_sent_upon_that_one() -> None:
    after = settled(sealed(GREEN), Met(RemoteRow("1", {**TEA, "done": 1}, "v2")))
    assert after.row == {**GREEN, "done": 1}
    assert after.shadow == Shadow({**TEA, "done": 1}, "v2", "1")
    assert after.pending == Change(
        seq=3, id="c3", key=1, op="update", data={"title": "green tea"}, conflicts=1, created_at_us=5
    )
    again = carried_out(after, seal(after, "m2", 10)).sent
    assert again is not None
    assert (again.mutation_id, again.base_version) == ("m2", "v2")


def test_a_newer_version_that_is_what_was_sent_is_no_conflict() -> None:
    """The reply was lost, and the server does not know duplicates."""
    during = sealed(GREEN)._replace(row={**GREEN, "title": "black tea"})
    after = settled(during, Met(RemoteRow("1", GREEN, "v2")), "server")
    assert (after.row, change(after)) == ({**TEA, "title": "black tea"}, ("update", {"title": "black tea"}))


def test_a_conflict_is_asked_about_and_the_row_stays_as_it_is() -> None:
    after = settled(sealed(GREEN), Met(RemoteRow("1", COFFEE, "v2")))
    assert (after.row, after.sent) == (GREEN, None)
    assert after.shadow == Shadow(COFFEE, "v2", "1")
    assert after.conflict == Conflict(base=TEA, mine=GREEN, theirs=COFFEE, version="v2", raised_at_us=9)
    assert after.pending is not None
    assert after.pending.hold == "conflict"
    assert seal(after, "m2", 10).sent is KEEP


def test_why_a_policy_function_did_not_decide_is_told_with_the_change() -> None:
    after = settled(sealed(GREEN), Met(RemoteRow("1", COFFEE, "v2")), lambda _: {}["nope"])
    assert after.pending is not None
    assert after.pending.error == "the policy did not decide: KeyError: 'nope'"


def test_who_meets_a_newer_version_again_and_again_is_asked_whatever_the_policy() -> None:
    standing = sealed(GREEN)
    for number in range(2, 5):
        standing = settled(
            standing, Met(RemoteRow("1", {**COFFEE, "done": number}, f"v{number}")), "client", max_conflicts=2
        )
        assert (standing.conflict is None) == (number < 4)
        if standing.conflict is None:
            edited_there = standing._replace(shadow=Shadow(TEA, f"v{number}", "1"))
            standing = carried_out(edited_there, seal(edited_there, f"m{number}", 5))


def test_a_version_that_is_refused_though_it_is_the_newest_fails_in_the_end() -> None:
    standing = sealed(GREEN)
    for _ in range(4):
        standing = settled(standing, Met(RemoteRow("1", TEA, "v1")))
        standing = carried_out(standing, seal(standing, "m2", 5))
    after = settled(standing, Met(RemoteRow("1", TEA, "v1")))
    assert after.pending is not None
    assert after.pending.status == "failed"
    assert after.pending.error == "the remote says that v1 is not its version, and tells no newer one"


def test_an_update_of_what_was_deleted_there_is_judged_and_inserted_anew_if_it_wins() -> None:
    gone = Met(RemoteRow("1", None))
    assert settled(sealed(GREEN), gone, "server") == Standing(1, None, None)
    after = settled(sealed(GREEN), gone, "client")
    assert (after.row, after.shadow, change(after)) == (GREEN, None, ("insert", GREEN))
    assert settled(sealed(GREEN), gone).conflict == Conflict(
        base=TEA, mine=GREEN, theirs=None, raised_at_us=9
    )


# ── rejected, failing, waiting ─────────────────────────────────────────────────────────────────────
def test_a_rejected_change_is_a_dead_letter_with_the_servers_own_words() -> None:
    before = sealed(GREEN)
    after = settled(before, Refused("422", '{"title":"too green"}'))
    assert before.sent is not None
    assert after.pending == replace(
        before.sent, **UNSEALED, status="failed", error="422", problem='{"title":"too green"}'
    )
    assert (after.row, after.sent) == (GREEN, None)


def test_a_rejected_change_that_was_edited_since_is_sent_as_it_is_now() -> None:
    after = settled(sealed(GREEN)._replace(row={**GREEN, "done": 1}), Refused("422"))
    assert after.pending == Change(
        seq=3, id="c3", key=1, op="update", data={"title": "green tea", "done": 1}, created_at_us=5
    )


def test_what_may_have_been_applied_stays_sealed_and_what_cannot_have_been_does_not() -> None:
    before = sealed(GREEN)
    assert before.sent is not None
    for unknown in (None, True):
        after = settled(before, Failing("503", 99, unknown))
        assert (after.sent, after.pending) == (replace(before.sent, error="503", due_at_us=99), None)
    after = settled(before, Failing("429", 99, False))
    assert after.sent is None
    assert after.pending == replace(before.sent, **UNSEALED, error="429", due_at_us=99)


def test_a_network_that_is_away_counts_no_attempt() -> None:
    """P6."""
    standing = sealed(GREEN)
    for _ in range(50):
        standing = settled(standing, Waiting())
        assert standing.sent is not None
        assert (standing.sent.attempts, standing.sent.mutation_id) == (0, "m1")
        standing = carried_out(standing, seal(standing, "m2", 5))
    after = settled(standing, Waiting(False))
    assert after.pending is not None
    assert (after.pending.attempts, after.pending.status) == (0, "pending")


def test_the_fifth_counted_answer_is_the_last_one() -> None:
    standing = sealed(GREEN)
    for attempt in range(1, 6):
        standing = settled(standing, Failing("503", 99, False))
        assert standing.pending is not None
        assert (standing.pending.attempts, standing.pending.status == "failed") == (attempt, attempt == 5)
        standing = carried_out(standing, seal(standing, f"m{attempt}", 5))
    assert standing.sent is None


def test_a_dead_letter_that_may_have_been_applied_is_retried_under_its_mutation_id() -> None:
    dead = settled(sealed(GREEN), Failing("500", 99), max_attempts=1)
    assert dead.sent is not None
    assert (dead.sent.status, dead.sent.mutation_id) == ("failed", "m1")
    again = carried_out(dead, retry(dead, 10))
    assert again.sent == replace(dead.sent, status="pending", attempts=0, error=None, due_at_us=0)
    mended = dead._replace(row={**GREEN, "done": 1})
    after = carried_out(mended, seal(mended, "m2", 10))
    assert (after.sent, change(after)) == (None, ("update", {"title": "green tea", "done": 1}))


# ── a pull ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("version", ["v1", None])
def test_an_echo_changes_nothing(version: str | None) -> None:
    echo = RemoteRow("1", {**TEA, "done": 0.0}, version)
    assert receive(Standing(1, TEA, Shadow(TEA, "v1", "1")), echo, "ask", 9) == Effect(1)
    for standing in (sealed(GREEN), dead(), asked()):
        shadow = standing.shadow
        assert shadow is not None
        again = RemoteRow("1", shadow.row, shadow.version)
        assert receive(standing, again, "server", 9) == Effect(1)


def test_an_echo_takes_in_an_edit_that_was_not_folded_yet() -> None:
    effect = receive(Standing(1, GREEN, Shadow(TEA, "v1")), RemoteRow("1", TEA, "v1"), "ask", 9)
    assert isinstance(effect.pending, Change)
    assert (effect.row, effect.shadow) == (KEEP, KEEP)


def test_a_row_without_local_edits_becomes_the_remotes() -> None:
    effect = receive(Standing(1, TEA, Shadow(TEA, "v1", "1")), RemoteRow("1", COFFEE, "v2"), "client", 9)
    assert effect == Effect(1, row=COFFEE, shadow=Shadow(COFFEE, "v2", "1"), remote=True)
    assert received(Standing(1, TEA, Shadow(TEA, "v1")), None) == Standing(1, None, None)
    assert received(Standing(1, None, None), TEA) == Standing(1, TEA, Shadow(TEA, "v2", "1"))


@pytest.mark.parametrize("policy", ["server", "client", "ask"])
def test_a_pull_never_overwrites_an_edit_of_another_column(policy: Policy) -> None:
    """L2."""
    after = received(Standing(1, GREEN, Shadow(TEA, "v1")), {**TEA, "done": 1}, policy=policy)
    assert after.row == {**GREEN, "done": 1}
    assert change(after) == ("update", {"title": "green tea"})


def test_a_table_that_was_there_before_meets_its_remote_row_by_row() -> None:
    alike = received(Standing(1, TEA, None), TEA)
    assert (alike.pending, alike.conflict, alike.shadow) == (None, None, Shadow(TEA, "v2", "1"))
    other = received(Standing(1, GREEN, None), COFFEE)
    assert other.conflict == Conflict(base=None, mine=GREEN, theirs=COFFEE, version="v2", raised_at_us=9)
    assert received(Standing(1, GREEN, None), COFFEE, policy="server").row == COFFEE
    assert change(received(Standing(1, GREEN, None), COFFEE, policy="client")) == (
        "update",
        {"title": "green tea"},
    )


def test_a_sealed_change_is_settled_by_sight() -> None:
    after = received(sealed(GREEN)._replace(row={**GREEN, "done": 1}), GREEN)
    assert (after.sent, after.shadow) == (None, Shadow(GREEN, "v2", "1"))
    assert change(after) == ("update", {"done": 1})
    assert received(sealed(None), None) == Standing(1, None, None)
    assert received(sealed(TEA, None), {**TEA, "made": 1}).sent is None


def test_a_sealed_change_of_unknown_outcome_stays_sealed_under_what_a_pull_brings() -> None:
    before = sealed(GREEN)
    after = received(before, {**TEA, "done": 1})
    assert (after.sent, after.pending) == (before.sent, None)
    assert after.row == {**GREEN, "done": 1}


def test_what_was_seen_since_is_newer_than_the_answer_to_a_resend() -> None:
    """The reply was lost; then it was edited there; the server tells its first answer once more."""
    after = received(sealed(GREEN), COFFEE, "v3", "client")
    assert after.row == GREEN
    done = settled(after, Took(GREEN, "v2"), "client")
    assert done == Standing(1, COFFEE, Shadow(COFFEE, "v3", "1"))


def test_a_conflict_about_what_turns_out_to_have_been_sent_before_is_none() -> None:
    asked = received(sealed(GREEN), COFFEE, "v3")
    assert asked.conflict is not None
    assert asked.sent is not None
    assert settled(asked, Took(GREEN, "v2")) == Standing(1, COFFEE, Shadow(COFFEE, "v3", "1"))
    refused = settled(asked, Met(RemoteRow("1", COFFEE, "v3")))
    assert refused.conflict is not None
    assert refused.conflict.base == TEA


def test_without_versions_what_a_pull_brings_decides_about_a_sealed_change() -> None:
    after = received(sealed(GREEN, version=None), {**TEA, "done": 1}, None)
    assert (after.sent, change(after)) == (None, ("update", {"title": "green tea"}))


def test_an_insert_whose_tombstone_is_told_is_inserted_anew() -> None:
    after = received(sealed(TEA, None), None)
    assert (after.sent, after.row, change(after)) == (None, TEA, ("insert", TEA))
