"""One isolate as its dispatcher sees it: a real process, and what is taken back from it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import ROOT, Rig
from windlass.clock import monotonic
from windlass.outcome import Completed
from windlass.store.protocol import Claim
from windlass.worker.channel import Result
from windlass.worker.child import Child


def claim(job_id: int, key: str = "quick", payload: str | None = None) -> Claim:
    return Claim(job_id, key, payload, 1, 3, job_id * 7, None, "default", False, 0)


@pytest.fixture
def child(rig: Rig) -> Iterator[Child]:
    made = Child(f"{ROOT}/tests.worker.apps.handlers:app")
    until(lambda: ["ready"] in list(made.messages()))
    made.ready = True
    yield made
    made.process.kill()
    made.process.close()
    assert gone(made.process.pid)


def give(child: Child, *claims: Claim) -> None:
    for one in claims:
        child.place(one, 10.0, timeout_us=None, is_async=False)
    child.flush()


def hear(child: Child, count: int) -> list[tuple[Claim, Result]]:
    found: list[tuple[Claim, Result]] = []

    def heard() -> bool:
        child.receive_results()
        found.extend(child.results())
        return len(found) >= count

    until(heard)
    return found


def test_jobs_come_back_with_what_became_of_them(child: Child):
    claims = [claim(n, payload=f'{{"n":{n}}}') for n in range(1, 101)]
    give(child, *claims)
    results = hear(child, 100)
    assert [one for one, _ in results] == claims
    assert [result.outcome for _, result in results] == [Completed(str(n)) for n in range(1, 101)]
    assert child.is_idle
    assert child.backlog_us == 0


def test_what_was_taken_back_never_runs_however_much_it_was(child: Child):
    """A thousand frames without their tokens lie before the one that is to run."""
    os.kill(child.process.pid, signal.SIGSTOP)
    for start in range(1, 1001, 100):
        claims = [claim(start + n, "nap", f'{{"ms":0,"name":"{start + n}"}}') for n in range(100)]
        give(child, *claims)
        assert child.recall() == claims
    real = [claim(5000 + n, "nap", f'{{"ms":0,"name":"{5000 + n}"}}') for n in range(3)]
    give(child, *real)
    os.kill(child.process.pid, signal.SIGCONT)
    until(lambda: child.push() is False)
    assert [one for one, _ in hear(child, 3)] == real
    ran = Path(os.environ["RIG_FOLDER"], "diary").read_text()
    assert ran.count('"start"') == 3


def test_what_was_given_to_an_isolate_that_is_dead_already_has_not_started(child: Child):
    """Or each would spend an attempt, and be suspected, though no handler saw it."""
    os.kill(child.process.pid, signal.SIGKILL)
    until(lambda: gone(child.process.pid))
    claims = [claim(n) for n in range(1, 23)]
    give(child, *claims[:20])
    give(child, *claims[20:])
    assert child.started_claims() == []
    assert child.recall() == claims


def test_what_has_started_cannot_be_taken_back(child: Child, rig: Rig):
    running, behind = claim(1, "gated", '{"name":"g"}'), claim(2)
    give(child, running, behind)
    rig.begun("g")
    assert child.started_claims() == [running]
    assert child.recall() == [behind]
    assert child.recall() == []
    rig.open("g")
    assert [one for one, _ in hear(child, 1)] == [running]


def test_a_stopped_isolate_has_started_nothing_and_overruns_nothing(child: Child):
    os.kill(child.process.pid, signal.SIGSTOP)
    child.place(claim(1), 10.0, timeout_us=1, is_async=False)
    child.flush()
    assert child.overrun(monotonic() + 60) is None
    assert child.started_claims() == []
    assert [one.job_id for one in child.take_back()] == [1]
    assert child.deaf
    assert not child.takes_work
    os.kill(child.process.pid, signal.SIGCONT)
    until(lambda: ["pong"] in list(child.messages()))


def test_a_place_whose_transaction_fails_is_forgotten(child: Child):
    give(child, claim(1))
    hear(child, 1)
    child.place(claim(2)._replace(alone=True), 10.0, timeout_us=None, is_async=False)
    child.place(claim(3, "anap", '{"ms":0}'), None, timeout_us=None, is_async=True)
    assert not child.is_idle
    child.unplace()
    assert child.is_idle
    assert child.takes_work
    assert child.everything() == []


def test_a_request_to_stop_is_repeated_until_the_handler_was_told(child: Child, rig: Rig):
    """Asked while its payload is still being read, before there is a handler to tell."""
    job = claim(1, "slow_to_begin", '{"when":{"name":"door"}}')
    give(child, job)
    rig.begun("door")
    [given] = child.everything()
    child.ask(given, "cancelled", interrupt=True)
    for _ in range(2):
        assert child.ask_again(monotonic() + 1) is not None
    assert until(lambda: child.messages() is not None)
    rig.open("door")

    def told() -> bool:
        child.ask_again(monotonic() + 1)
        for message in child.messages():
            if message[0] == "heard":
                child.heard(*message[1:])
        return child.ask_again(monotonic()) is None

    until(told)
    [(_, result)] = hear(child, 1)
    assert type(result.outcome).__name__ == "Cancelled"
