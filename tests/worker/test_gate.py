"""Progress leaves a worker process at most fifty times a second, and the latest always does."""

from __future__ import annotations

import threading
from typing import Any

from tests.service.waiting import until
from windlass.store.protocol import Claim
from windlass.worker.gate import ProgressGate


def claim(job_id: int) -> Claim:
    return Claim(job_id, "k", None, 1, 3, 7, None, "default", False, 0)


def test_the_first_note_leaves_at_once_and_the_latest_a_little_later():
    sent: list[list[Any]] = []
    gate = ProgressGate(sent.append)
    for n in range(1000):
        gate.note(claim(1), f"[{n}]")
    assert sent[0] == ["progress", 1, 7, "[0]"]
    until(lambda: sent[-1][3] == "[999]")  # without another note, and without an end
    assert len(sent) < 100


def test_the_end_of_a_job_lets_its_last_note_out_first():
    sent: list[list[Any]] = []
    gate = ProgressGate(sent.append)
    for n in range(10):
        gate.note(claim(1), f"[{n}]")
    gate.flush(1)
    assert sent[-1][3] == "[9]"
    count = len(sent)
    gate.flush(1)
    gate.flush(2)
    assert len(sent) == count


def test_jobs_do_not_hold_each_other_back():
    sent: list[list[Any]] = []
    gate = ProgressGate(sent.append)
    for job_id in range(50):
        gate.note(claim(job_id), "[1]")
    assert [message[1] for message in sent] == list(range(50))


def test_notes_of_several_threads_leave_in_order():
    sent: list[list[Any]] = []
    gate = ProgressGate(sent.append)

    def tell(job_id: int) -> None:
        for n in range(3000):
            gate.note(claim(job_id), f"{n}")
        gate.flush(job_id)

    threads = [threading.Thread(target=tell, args=(job_id,)) for job_id in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id in range(3):
        numbers = [int(message[3]) for message in sent if message[1] == job_id]
        assert numbers == sorted(numbers)
        assert numbers[-1] == 2999
