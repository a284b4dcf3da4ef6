"""Claims while a transaction that stays open keeps the server from dropping old index entries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from tests.store.conformance.steps import accept_any, add, claim, settle, settlement, the
from tests.store.postgres_schemas import migrated
from windlass.job import JobStatus
from windlass.outcome import Completed, Released
from windlass.store.postgres.bundling import Step
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.shelves import CROWDED, CROWDED_PAGES, Shelf, Shelves, Visited
from windlass.store.postgres.statements import Statements
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim, ClaimRequest, Lane, NewJob

WORK = Lane(alone=False, queue="default", key="work")
AT_5, AT_0 = Shelf(0, "default", "work", 5), Shelf(0, "default", "work", 0)


# ── what is known of shelves ───────────────────────────────────────────────────────────────────
def crowded(now: float = 100.0, **heads: int) -> Shelves:
    shelves = Shelves()
    shelves.claimed({AT_0, AT_5})
    shelves.looked_whole(of(heads), 1000, Visited(CROWDED + 10, 0), 0.01, now)
    assert shelves.crowded
    return shelves


def of(heads: dict[str, int]) -> dict[Shelf, int]:
    return {{"at_0": AT_0, "at_5": AT_5}[name]: first for name, first in heads.items()}


def floors(shelves: Shelves) -> dict[str, int]:
    """Of the lane: its priorities' floors, as the claim is given them."""
    _, values = shelves.claim(WORK, 10)
    assert isinstance(values, dict)
    return {f"at_{values[f'p{n}']}": values[f"i{n}"] for n in range(9) if f"p{n}" in values}


def test_nothing_is_looked_for_where_nothing_was_claimed() -> None:
    shelves = Shelves()
    assert shelves.due(100.0) is None
    shelves.claimed(set())
    assert shelves.due(100.0) is None
    shelves.claimed({AT_0})
    assert shelves.due(100.0) == "whole"
    shelves.looked_whole({}, 1000, Visited(CROWDED, 0), 0.001, 100.0)
    assert not shelves.crowded
    assert shelves.due(200.0) is None


def test_a_floor_is_where_the_first_ready_job_was_a_look_ago() -> None:
    shelves = crowded(at_0=700)
    assert floors(shelves) == {"at_5": 0, "at_0": 0}
    shelves.looked_beyond(of({"at_0": 800}), 1100, 101.0)
    assert floors(shelves) == {"at_5": 1000, "at_0": 700}
    shelves.looked_beyond(of({"at_0": 900}), 1200, 101.1)
    assert floors(shelves) == {"at_5": 1000, "at_0": 700}, "a floor moves no sooner than it is due to"
    shelves.looked_beyond(of({"at_0": 900}), 1200, 102.0)
    assert floors(shelves) == {"at_5": 1100, "at_0": 800}


def test_what_is_committed_late_is_found_as_long_as_it_is_above_the_floor_of_then() -> None:
    shelves = crowded(at_0=700)
    shelves.looked_beyond(of({"at_0": 800}), 1100, 101.0)
    # 750 was given out before 800, and is committed only now.
    shelves.looked_beyond(of({"at_0": 750}), 1100, 102.0)
    assert floors(shelves)["at_0"] == 750


def test_what_came_back_is_found_by_a_look_from_the_beginning_which_comes_the_sooner() -> None:
    shelves = crowded(at_0=700)
    for moment in (101.0, 102.0, 103.0):
        shelves.looked_beyond(of({"at_0": 900}), 1000, moment)
    shelves.looked_whole(of({"at_0": 900}), 1000, Visited(CROWDED + 10, 0), 0.5, 104.0)
    assert shelves.due(110.0) == "move"
    shelves.came_back()
    assert (shelves.due(108.9), shelves.due(109.1)) == ("move", "whole")
    shelves.looked_whole(of({"at_0": 3}), 1000, Visited(CROWDED + 10, 0), 0.5, 109.1)
    assert floors(shelves)["at_0"] == 3


def test_looks_from_the_beginning_take_a_hundredth_of_the_time_at_most() -> None:
    shelves = crowded()
    shelves.looked_whole({}, 1000, Visited(CROWDED + 10, 0), 2.0, 200.0)
    assert shelves.due(399.0) == "move"
    assert shelves.due(400.0) == "whole"


def test_a_look_that_ended_below_a_floor_does_not_tell_how_long_the_way_is() -> None:
    shelves = crowded(at_0=700)
    for moment in (101.0, 102.0):
        shelves.looked_beyond(of({"at_0": 700}), 1000, moment)
    shelves.looked_whole(of({"at_0": 3}), 1000, Visited(1, 9), 0.01, 103.0)
    assert shelves.crowded
    assert floors(shelves)["at_0"] == 3
    shelves.looked_whole(of({"at_0": 700}), 1000, Visited(1, 9), 0.01, 104.0)
    assert not shelves.crowded


def test_it_ends_when_a_look_is_short_again() -> None:
    shelves = crowded(at_0=700)
    shelves.looked_whole(of({"at_0": 700}), 1000, Visited(CROWDED // 2, 0), 0.01, 102.0)
    assert shelves.crowded, "no toing and froing about one number"
    shelves.looked_whole(of({"at_0": 700}), 1000, Visited(CROWDED // 5, 0), 0.01, 104.0)
    assert not shelves.crowded


def test_a_lane_of_very_many_priorities_is_walked_whole() -> None:
    shelves = Shelves()
    heads = {Shelf(0, "default", "work", priority): 500 for priority in range(30)}
    for moment in (100.0, 101.0, 102.0):
        shelves.looked_whole(heads, 1000, Visited(CROWDED + 100, 0), 0.01, moment)
    assert floors(shelves) == {}


# ── on a server ────────────────────────────────────────────────────────────────────────────────
@contextmanager
def pinned(url: str) -> Iterator[None]:
    """Meanwhile no version of a row that is there now can go, as under a dump."""
    with closing(psycopg.connect(url)) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT count(*) FROM background_service_jobs").fetchone()
        yield


def fill(store: PostgresStore, count: int, *, priorities: int = 1) -> None:
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO background_service_jobs (job_key, payload, priority) "
            "SELECT 'work', '{}', nullif(i %% %s, 0) FROM generate_series(1, %s) AS i",
            (priorities, count),
        )


def work(store: PostgresStore, most: int = 1000) -> list[Claim]:
    """Claims, settles, and claims on until nothing is left; what was claimed, in that order."""
    done: list[Claim] = []
    settlements = []
    while True:
        caps = dict.fromkeys(store.lanes(), most)
        turn = store.settle_and_claim(settlements, ClaimRequest(1, most, caps, accept_any))
        assert not turn.stale
        assert not turn.unsettled
        if not turn.claimed:
            return done
        done += turn.claimed
        settlements = [settlement(one, Completed()) for one in turn.claimed]


def look(store: PostgresStore, times: int = 1) -> None:
    """As if the time had come for it."""
    for _ in range(times):
        store.shelves._whole_at = store.shelves._moved_at = 0.0
        store.shelves._has_claimed = True
        store.look_if_due()


def visited(store: PostgresStore, step: Step) -> tuple[list[int], Visited]:
    """The ids that a claim locks, and what it visits of the index; it is undone."""
    with store.database.read() as connection, connection.raw.transaction(force_rollback=True):

        def walked() -> tuple[int, int]:
            [(_, entries, pages)] = connection.run(SQL["walked"], ()).fetchall()
            return entries, pages

        before = walked()
        rows = connection.run(*step).fetchall()
        after = walked()
        return [found[0] for found in rows], Visited(after[0] - before[0], after[1] - before[1])


def shares(store: PostgresStore, step: Step) -> dict[int, int]:
    """How many of the best jobs each lane has, by its place."""
    with store.database.read() as connection:
        return dict(connection.run(*step).fetchall())


def whole(lane: Lane, most: int) -> Step:
    """The claim that begins at the beginning."""
    return Shelves().claim(lane, most)


def test_idle_in_transaction_for_an_hour_leaves_claims_as_short_as_they_were(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    """Thousands of jobs come and go under it; the next claim still visits what it takes."""
    store = postgres_store
    assert len(work(store)) == 0
    with pinned(postgres_schema):
        fill(store, 3 * CROWDED, priorities=3)
        assert len(work(store)) == 3 * CROWDED
        fill(store, 300)
        look(store, 3)
        assert store.shelves.crowded
        best, long = visited(store, whole(WORK, 50))
        found, short = visited(store, store.shelves.claim(WORK, 50))
        assert found == best
        assert long.entries > 2 * CROWDED, "the walk that is spared"
        assert short.entries <= 60
        # The lanes are found as quickly, and so is an empty one.
        assert store.lanes() == [WORK]
        assert len(work(store)) == 300
        look(store, 3)
        found, short = visited(store, store.shelves.claim(WORK, 50))
        assert (found, short.entries <= 1) == ([], True)
        assert store.lanes() == []
        # And what comes is claimed at once, whatever its priority, its lane.
        ids = [add(store), add(store, priority=9), add(store, priority=-1), add(store, key="zzz"),
               add(store, key="aaa", queue="a"), add(store, key="aaa", queue="b")]  # fmt: skip
        assert {one.job_id for one in work(store)} == set(ids)
    assert {the(store, one).status for one in ids} == {JobStatus.COMPLETED}


def test_between_two_vacuums_claims_do_not_go_through_the_pages_of_all_that_was_claimed(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    """Nobody holds them up, and yet a busy minute leaves thousands of pages until the next vacuum."""
    store = postgres_store
    with store.transaction() as connection:
        schema = connection.execute("SELECT current_schema()").fetchone()[0]
        connection.execute(b"ALTER TABLE background_service_jobs SET (autovacuum_enabled = off)")
    fill(store, 250 * CROWDED_PAGES)
    assert len(work(store)) == 250 * CROWDED_PAGES
    jobs = [add(store, priority=3), *(add(store) for _ in range(49))]
    look(store, 3)
    assert store.shelves.crowded
    best, long = visited(store, whole(WORK, 50))
    found, short = visited(store, store.shelves.claim(WORK, 50))
    assert found == best == jobs
    assert long.entries < CROWDED, "it is not the entries"
    assert long.pages > CROWDED_PAGES, "the walk that is spared"
    assert short.pages < CROWDED_PAGES // 2
    with psycopg.connect(postgres_schema, autocommit=True) as connection:
        connection.execute(f"VACUUM {schema}.background_service_jobs".encode())
    look(store)
    assert not store.shelves.crowded
    assert [one.job_id for one in work(store)] == jobs


@contextmanager
def held_below_a_floor(store: PostgresStore, url: str) -> Iterator[Claim]:
    """A job that runs, while so many have come and gone since that claims begin beyond it."""
    add(store)
    [held] = claim(store)
    with pinned(url):
        fill(store, 2 * CROWDED)
        work(store)
        look(store, 3)
        assert store.shelves.crowded
        yield held


def test_what_comes_back_below_a_floor_is_claimed_after_the_next_look_from_the_beginning(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    store = postgres_store
    with held_below_a_floor(store, postgres_schema) as held:
        assert settle(store, held, Released("shutdown"))
        assert visited(store, store.shelves.claim(WORK, 5))[0] == []
        # It was told that something came back, so this does not take a hundred times the look's time.
        assert store.shelves._whole_at < store.shelves._looked_at + 1.0
        look(store)
        assert [one.job_id for one in work(store)] == [held.job_id]


def test_what_others_bring_back_below_a_floor_is_found_where_nobody_claims_any_more(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    """An idle dispatcher learns of it by the due times that it looks for, and not when the minute is over."""
    store = postgres_store
    with held_below_a_floor(store, postgres_schema) as held:
        with migrated(postgres_schema, store.clock) as other:
            assert settle(other, held, Released("shutdown"))
        assert (store.lanes(), store.shelves.unsure) == ([], True)
        promotion = store.promote()
        assert (promotion.promoted, (promotion.next_due_us or 0) // 1_000_000) == (0, 0)
        store.shelves._looked_at -= 10.0
        assert store.promote().promoted == 1
        assert store.lanes() == [WORK]
        assert [one.job_id for one in work(store)] == [held.job_id]
        store.shelves._looked_at -= 10.0
        # Where nobody looks any more, an empty way is looked along at once.
        assert (store.lanes(), store.shelves.unsure, store.promote().promoted) == ([], False, 0)


@pytest.mark.parametrize("seed", range(3))
def test_claims_from_floors_take_what_claims_from_the_beginning_would(
    postgres_store: PostgresStore, postgres_schema: str, seed: int
) -> None:
    """Whatever comes, in any lane, of any priority, between any looks."""
    chance = random.Random(seed)
    store = postgres_store
    keys = ["a", "b", "c", "é", "ü"]
    with pinned(postgres_schema):
        fill(store, CROWDED + 500)
        work(store)
        look(store)
        assert store.shelves.crowded
        for _ in range(40):
            jobs = [
                NewJob(
                    key=chance.choice(keys), queue=chance.choice(["q", "Q"]), priority=chance.randint(-2, 2)
                )
                for _ in range(chance.randint(0, 6))
            ]
            store.insert(jobs)
            if chance.random() < 0.5:
                store.shelves._moved_at = 0.0
            lanes = store.lanes()
            with store.database.read() as connection:
                assert isinstance(connection, Statements)
                heads = connection.run(SQL["heads"], ()).fetchall()
            assert set(lanes) == {Shelf(*head[:4]).lane for head in heads}
            for lane in lanes:
                assert visited(store, store.shelves.claim(lane, 3))[0] == visited(store, whole(lane, 3))[0]
            mosts, most = {lane: chance.randint(1, 3) for lane in lanes}, chance.randint(1, 5)
            assert shares(store, store.shelves.shares(mosts, most)) == shares(
                store, Shelves().shares(mosts, most)
            )
            some = {lane: chance.randint(1, 2) for lane in lanes if chance.random() < 0.7}
            request = ClaimRequest(1, chance.randint(1, 4), some, accept_any)
            for one in store.settle_and_claim([], request).claimed:
                assert settle(store, one, Completed())
        assert store.shelves.crowded


def test_it_is_over_when_the_old_transaction_is(postgres_store: PostgresStore, postgres_schema: str) -> None:
    store = postgres_store
    with pinned(postgres_schema):
        fill(store, 2 * CROWDED)
        work(store)
        look(store)
        assert store.shelves.crowded
    # The first walk marks what it visits as gone for good, and the second visits it no more. And a session
    # learns of the end of others when something was written since.
    for _ in range(2):
        add(store)
        work(store)
        look(store)
    assert not store.shelves.crowded
