"""What handlers logged: kept with the turn that brings it, bounded, and gone with its job."""

from __future__ import annotations

import json

from tests.store.conformance.steps import add, claim, settlement
from windlass.outcome import Completed, Released, Retried
from windlass.store.logbook import ATTEMPTS_MOST, BYTES_MOST, LINES_MOST, LogChunk
from windlass.store.protocol import Claim, Store


def said(one: Claim, *texts: str, first: int = 1) -> LogChunk:
    lines = [[1_000_000 * number, "INFO", "shop", text] for number, text in enumerate(texts, first)]
    return LogChunk(one.job_id, one.attempt, one.token, first, len(lines), json.dumps(lines))


def keep(store: Store, *chunks: LogChunk) -> None:
    store.settle_and_claim([], None, [], chunks)


def texts(store: Store, job_id: int, attempt: int | None = None) -> list[str]:
    return [line.text for line in store.logs(job_id, attempt)]


class Keeping:
    def test_what_was_logged_is_there_with_its_attempt_its_number_and_its_time(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        keep(store, said(one, "a", "b"))
        first, second = store.logs(job_id)
        assert (first.job_id, first.attempt, first.number, first.text) == (job_id, 1, 1, "a")
        assert (second.number, second.level, second.logger, second.text) == (2, "INFO", "shop", "b")
        assert (second.at - first.at).total_seconds() == 1

    def test_it_comes_in_one_turn_with_the_end_of_its_job(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        turn = store.settle_and_claim([settlement(one, Completed())], None, [], [said(one, "done")])
        assert (turn.stale, turn.unsettled) == ([], [])
        assert texts(store, job_id) == ["done"]

    def test_it_is_told_of_each_attempt_and_of_one(self, store: Store) -> None:
        job_id = add(store)
        for name in ("first", "second"):
            (one,) = claim(store)
            store.settle_and_claim([settlement(one, Retried("no", 0))], None, [], [said(one, name)])
        assert texts(store, job_id) == ["first", "second"]
        assert texts(store, job_id, 2) == ["second"]
        assert texts(store, job_id, 3) == []
        assert texts(store, add(store)) == []

    def test_what_is_told_twice_is_kept_once(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        chunk = said(one, "a")
        keep(store, chunk)
        keep(store, chunk, said(one, "b", first=2))
        assert texts(store, job_id) == ["a", "b"]

    def test_parts_that_overtook_each_other_are_in_their_order(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        keep(store, said(one, "c", first=3), said(one, "a", "b"))
        assert texts(store, job_id) == ["a", "b", "c"]

    def test_an_attempt_that_was_let_go_and_runs_again_adds_to_what_it_said(self, store: Store) -> None:
        job_id = add(store)
        for name in ("before", "after"):
            (one,) = claim(store)
            store.settle_and_claim([settlement(one, Released("stopped"))], None, [], [said(one, name)])
        assert [(line.attempt, line.number, line.text) for line in store.logs(job_id)] == [
            (1, 1, "before"), (1, 1, "after"),
        ]  # fmt: skip

    def test_of_many_lines_the_newest_are_kept(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        for first in range(1, 1001, 50):
            keep(store, said(one, *map(str, range(first, first + 50)), first=first))
        assert [line.number for line in store.logs(job_id)] == list(range(1001 - LINES_MOST, 1001))

    def test_of_long_lines_there_are_fewer(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        for number in range(1, 21):
            keep(store, said(one, "x" * (BYTES_MOST // 4), first=number))
        kept = [line.number for line in store.logs(job_id)]
        assert kept == list(range(21 - len(kept), 21))
        assert 3 <= len(kept) <= 5

    def test_one_that_runs_again_and_again_keeps_its_newest_attempts(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        for attempt in range(1, ATTEMPTS_MOST + 6):
            keep(store, said(one._replace(attempt=attempt), str(attempt)))
        assert texts(store, job_id) == [str(attempt) for attempt in range(6, ATTEMPTS_MOST + 6)]

    def test_another_jobs_lines_push_out_none(self, store: Store) -> None:
        quiet, chatty = add(store), add(store)
        one, other = claim(store)
        keep(store, said(one, "here"))
        for first in range(1, 2 * LINES_MOST, LINES_MOST):
            keep(store, said(other, *("x" for _ in range(LINES_MOST)), first=first))
        assert texts(store, quiet) == ["here"]
        assert len(texts(store, chatty)) == LINES_MOST

    def test_it_goes_with_its_job_and_none_is_kept_of_one_that_is_gone(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        store.settle_and_claim([settlement(one, Completed())], None, [], [said(one, "a")])
        assert store.delete([job_id]) == [job_id]
        assert texts(store, job_id) == []
        keep(store, said(one, "late", first=2))
        assert texts(store, job_id) == []

    def test_pruning_takes_it_along(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        store.settle_and_claim([settlement(one, Completed())], None, [], [said(one, "a")])
        assert store.prune(older_than_us=0, keep=0) == 1
        assert texts(store, job_id) == []

    def test_every_text_comes_back_as_it_was(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        odd = ["", "'; DROP TABLE x; --", "多\n行", '"quoted" \\ back', "\u2028"]
        keep(store, said(one, *odd))
        assert texts(store, job_id) == odd
