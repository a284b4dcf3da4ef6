"""The checker on histories written by hand: each contradiction is found, and each excuse is honoured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.storm.checker import KINDS, Verdict, check
from tests.storm.history import Change, Effect, History, JobRow, Kill, Run, Try
from tests.storm.journal import Journal, entries

SECOND = 1_000_000_000
DISPATCHER, OTHER_DISPATCHER = 100, 200


class Tale:
    """Writes a history, one event after the other, a second apart."""

    def __init__(self) -> None:
        self.history = History()
        self._now = SECOND
        self._tokens = 0
        self._status = dict[int, str]()
        self._token = dict[int, int]()
        self._attempts = dict[int, int]()

    def _tick(self) -> int:
        self._now += SECOND
        return self._now

    def enqueued(self, uid: str = "a", *, job: int = 1, acked: bool = True, **how: Any) -> Tale:
        self.history.tries[uid] = Try(uid=uid, kind=how.pop("kind", "single"), **how)
        if acked:
            self.history.acks[uid].append(job)
        self._status[job], self._attempts[job] = "PENDING", 0
        return self

    def _moved(self, job: int, status: str, *, attempts: int, token: int | None) -> None:
        self.history.changes.append(
            Change(
                job_id=job,
                at=self._tick(),
                old_status=self._status[job],
                new_status=status,
                old_token=self._token.get(job),
                new_token=token,
                attempts=attempts,
            )
        )
        self._status[job], self._attempts[job] = status, attempts
        if token is not None:
            self._token[job] = token

    def claimed(self, job: int = 1, *, token: int | None = None) -> Tale:
        self._tokens += 1
        self._moved(job, "RUNNING", attempts=self._attempts[job] + 1, token=token or self._tokens)
        return self

    def released(self, job: int = 1, *, spent: bool = False) -> Tale:
        self._moved(job, "PENDING", attempts=self._attempts[job] - (not spent), token=None)
        return self

    def settled(self, status: str = "COMPLETED", job: int = 1) -> Tale:
        self._moved(job, status, attempts=self._attempts[job], token=None)
        return self

    def started(
        self, uid: str = "a", *, job: int = 1, attempt: int = 1, pid: int = 11, parent: int = DISPATCHER
    ) -> Tale:
        self.history.runs.append(
            Run(uid=uid, job_id=job, attempt=attempt, pid=pid, above=frozenset({parent}), start=self._tick())
        )
        return self

    def ended(self, how: str = "ok", *, run: int = -1) -> Tale:
        self.history.runs[run].end, self.history.runs[run].how = self._tick(), how
        return self

    def killed(self, *pids: int, kind: str = "isolate") -> Tale:
        moment = self._tick()
        self.history.kills.append(Kill(kind=kind, pids=frozenset(pids), begin=moment, end=moment))
        return self

    def effect(self, uid: str = "a", *, job: int = 1, attempt: int = 1, pid: int = 11) -> Tale:
        self.history.effects.append(Effect(uid=uid, job_id=job, attempt=attempt, pid=pid))
        return self

    def row(self, uid: str = "a", *, job: int = 1, status: str = "COMPLETED", attempts: int = 1) -> Tale:
        self.history.jobs.append(JobRow(id=job, uid=uid, status=status, attempts=attempts))
        return self

    def verdict(self) -> Verdict:
        return check(self.history)

    def faults(self) -> set[str]:
        kinds = set(self.verdict().kinds())
        assert kinds <= set(KINDS)
        return kinds


def one_good_run() -> Tale:
    return Tale().enqueued().claimed().started().ended().settled().row()


def cut_off_once() -> Tale:
    return Tale().enqueued().claimed().started()


def test_a_quiet_run_has_no_fault() -> None:
    assert one_good_run().faults() == set()


def test_an_acknowledged_job_without_a_row_is_lost() -> None:
    assert Tale().enqueued().faults() == {"lost"}


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_job_that_never_ends_is_lost(status: str) -> None:
    assert Tale().enqueued().row(status=status, attempts=0).faults() == {"lost"}


def test_a_completion_without_a_finished_run_is_a_loss() -> None:
    assert "lost" in cut_off_once().settled().row().faults()


def test_an_unknown_outcome_may_be_absent_or_present_once() -> None:
    assert Tale().enqueued(acked=False).faults() == set()
    present = Tale().enqueued(acked=False).claimed().started().ended().settled().row()
    assert present.faults() == set()
    assert present.row(job=2, attempts=0).faults() >= {"unexpected"}


def test_a_row_that_nobody_enqueued_is_unexpected() -> None:
    assert one_good_run().row("ghost", job=2, status="FAILED", attempts=0).faults() >= {"unexpected"}


@pytest.mark.parametrize("promise", ["rollback", "refused"])
def test_a_job_promised_not_to_exist_is_unexpected(promise: str) -> None:
    tale = Tale().enqueued(acked=False).claimed().started().ended().settled().row()
    tale.history.absent["a"] = promise
    assert tale.faults() == {"unexpected"}


def test_an_acknowledged_id_that_is_another_row_is_unexpected() -> None:
    tale = one_good_run()
    tale.history.acks["a"].append(7)
    assert tale.faults() == {"unexpected"}


def test_a_run_of_a_job_that_is_gone_is_unexpected() -> None:
    assert Tale().enqueued().started().ended().faults() == {"lost", "unexpected"}


def test_a_half_written_batch_is_torn() -> None:
    tale = one_good_run()
    tale.enqueued("b", job=2, acked=False, kind="many", batch="x")
    tale.enqueued("c", job=3, acked=False, kind="many", batch="x").row(
        "c", job=3, status="PENDING", attempts=0
    )
    assert "torn transaction" in tale.faults()


def test_an_order_without_its_job_is_torn_and_so_is_the_reverse() -> None:
    tale = Tale().enqueued(acked=False, kind="transaction")
    tale.history.orders.add("a")
    assert tale.faults() == {"torn transaction"}
    assert "torn transaction" in Tale().enqueued(kind="transaction").row(status="FAILED").faults()


def test_a_second_run_after_a_kill_is_explained_and_timed() -> None:
    tale = (
        cut_off_once().killed(11).released(spent=True).claimed().started(attempt=2, pid=12).ended().settled()
    )
    verdict = tale.row(attempts=2).verdict()
    assert verdict.violations == []
    assert verdict.figures["duplicates explained"] == 1
    assert verdict.figures["rescue p50 ms"] == 3000.0


def test_the_death_of_the_dispatcher_explains_a_second_run_of_the_same_attempt() -> None:
    tale = cut_off_once().ended().killed(DISPATCHER, kind="dispatcher").released().claimed()
    assert tale.started(pid=12, parent=OTHER_DISPATCHER).ended().settled().row().faults() == set()


def test_a_second_run_without_a_kill_is_unexplained() -> None:
    tale = cut_off_once().ended().released(spent=True).claimed().started(attempt=2, pid=12).ended().settled()
    assert tale.row(attempts=2).faults() == {"unexplained duplicate"}


def test_a_kill_of_another_process_or_before_the_run_explains_nothing() -> None:
    stranger = cut_off_once().ended().killed(99).released(spent=True).claimed()
    assert stranger.started(attempt=2, pid=12).ended().settled().row(attempts=2).faults() == {
        "unexplained duplicate"
    }
    earlier = Tale().killed(11).enqueued().claimed().started().ended().released(spent=True).claimed()
    assert earlier.started(attempt=2, pid=12).ended().settled().row(attempts=2).faults() == {
        "unexplained duplicate"
    }


def test_a_retry_that_the_handler_asked_for_needs_no_kill() -> None:
    tale = Tale().enqueued(plan="retry").claimed().started().ended("retry").released(spent=True).claimed()
    assert tale.started(attempt=2).ended().settled().row(attempts=2).faults() == set()


def test_two_runs_at_once_are_two_live_fences() -> None:
    tale = cut_off_once().started(pid=12, parent=OTHER_DISPATCHER).ended().ended(run=0).settled().row()
    assert "two live fences" in tale.faults()


def test_a_frozen_dispatcher_explains_two_runs_at_once() -> None:
    tale = cut_off_once().killed(DISPATCHER, kind="freeze").released().claimed()
    tale.started(pid=12, parent=OTHER_DISPATCHER).ended().settled().ended(run=0).row()
    assert tale.faults() == set()


def test_a_dispatcher_that_wakes_may_start_a_job_that_ran_elsewhere_but_not_complete_it() -> None:
    tale = Tale().enqueued().claimed().released().claimed()
    tale.started(pid=12, parent=OTHER_DISPATCHER).ended().settled().killed(DISPATCHER, kind="freeze")
    tale.started().ended().row()
    assert tale.faults() == set()
    tale.history.runs[0].attempt = 2
    assert "attempts not monotonic" not in tale.faults()
    tale.history.runs[0].attempt = 1
    assert tale.settled().faults() == {"double completion", "several terminal statuses"}


def test_a_stale_attempt_that_settles_a_rescued_job_is_found() -> None:
    tale = cut_off_once().killed(DISPATCHER, kind="freeze").released().claimed()
    tale.started(pid=12, parent=OTHER_DISPATCHER).ended(run=0).settled().ended().row()
    assert tale.faults() == {"two live fences"}


def test_a_stale_attempt_that_settles_a_job_which_is_ready_again_is_found() -> None:
    tale = cut_off_once().killed(DISPATCHER, kind="freeze").released().ended().settled().row()
    assert tale.faults() == {"two live fences"}


def test_a_claim_of_a_job_that_is_running_is_two_live_fences() -> None:
    assert (
        "two live fences" in Tale().enqueued().claimed().claimed().started().ended().settled().row().faults()
    )


def test_a_token_used_twice_is_two_live_fences() -> None:
    tale = cut_off_once().killed(11).released(spent=True).claimed(token=1).started(attempt=2, pid=12)
    assert tale.ended().settled().row(attempts=2).faults() == {"two live fences"}


def test_two_completions_are_found_in_the_changes_and_in_the_effects() -> None:
    assert one_good_run().settled().faults() == {"double completion", "several terminal statuses"}
    twice = Tale().enqueued(plan="tx").claimed().started().effect().effect().settled().ended().row()
    assert twice.faults() == {"double completion"}


def test_a_completion_inside_the_handlers_transaction_precedes_its_end() -> None:
    assert Tale().enqueued(plan="tx").claimed().started().effect().settled().ended().row().faults() == set()
    assert (
        Tale().enqueued(plan="tx").claimed().started().effect().settled().killed(11).row().faults() == set()
    )


def test_an_effect_without_its_completion_is_torn() -> None:
    tale = Tale().enqueued(plan="tx").claimed().started().effect().settled("FAILED").row(status="FAILED")
    assert "torn transaction" in tale.faults()


def test_a_child_exists_if_and_only_if_its_parent_committed() -> None:
    family = Tale().enqueued(plan="family").claimed().started().effect().settled().ended().row()
    assert family.faults() == {"lost"}
    family.row("a/child", job=2, status="FAILED", attempts=0)
    assert "lost" not in family.faults()
    assert "unexpected" in Tale().enqueued(acked=False).row("a/child", status="FAILED").faults()


def test_a_final_status_that_changes_is_found() -> None:
    assert "several terminal statuses" in one_good_run().settled("FAILED").faults()


def test_attempts_that_go_back_are_found() -> None:
    tale = cut_off_once().killed(11).started(attempt=2, pid=12).killed(12).started(attempt=1, pid=13)
    assert "attempts not monotonic" in tale.ended().settled().row(attempts=2).faults()


def test_a_claim_that_skips_an_attempt_is_found() -> None:
    tale = Tale().enqueued()
    tale._attempts[1] = 1
    assert "attempts not monotonic" in tale.claimed().started(attempt=2).ended().settled().row().faults()


def test_an_attempt_spent_by_a_job_that_never_started_is_found() -> None:
    tale = Tale().enqueued().claimed().released(spent=True).claimed().started(attempt=2).ended().settled()
    assert tale.row(attempts=2).faults() == {"attempt spent without a cause"}


def test_a_kill_between_the_start_and_the_first_line_spends_an_attempt() -> None:
    tale = Tale().enqueued().claimed().killed(11).released(spent=True).claimed().started(attempt=2, pid=12)
    assert tale.ended().settled().row(attempts=2).faults() == set()


def test_three_crashes_explain_a_failure_and_two_do_not() -> None:
    tale = cut_off_once().killed(11).released(spent=True).claimed().started(attempt=2, pid=12).killed(12)
    assert tale.row(status="FAILED", attempts=2).faults() == {"unexplained failure"}
    tale.history.jobs.clear()
    tale.released(spent=True).claimed().started(attempt=3, pid=13).killed(13).settled("FAILED")
    assert tale.row(status="FAILED", attempts=3).faults() == set()


def test_the_death_of_dispatchers_excuses_no_failure() -> None:
    tale = Tale().enqueued()
    for number in (1, 2, 3):
        tale.claimed().started(attempt=number, pid=10 + number).killed(DISPATCHER).released(spent=True)
    assert "unexplained failure" in tale.row(status="FAILED", attempts=3).faults()


def test_a_failure_that_was_planned_needs_no_kill() -> None:
    tale = Tale().enqueued(plan="fail").claimed().started().ended("fail").settled("FAILED")
    assert tale.row(status="FAILED").faults() == set()


def test_a_damaged_database_is_found() -> None:
    tale = one_good_run()
    tale.history.integrity = "row 3 missing from index"
    assert tale.faults() == {"database damaged"}


def test_a_line_cut_off_by_a_kill_never_happened(tmp_path: Any) -> None:
    log = Journal(tmp_path / "producer-1.log")
    log.write("try", kind="single", jobs=[["a", "ok"]])
    log.close()
    path = tmp_path / "producer-1.log"
    path.write_bytes(path.read_bytes() + b'{"what": "ack", "jo')
    assert [line["what"] for line in entries(path)] == ["try"]
