"""The count at the end must see every fault that a service could commit: each is planted here."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from windlass import Job, JobStatus
from windlass.demo.verdict import complaints

PATHS = ["a.py", "b.py", "c.py"]


def job(path: str, status: JobStatus = JobStatus.COMPLETED, error: str | None = None) -> Job:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    return Job(
        id=1,
        key="index_module",
        payload={"root": "/", "path": path},
        status=status,
        last_error=error,
        created_at=moment,
        updated_at=moment,
    )


def sound() -> list[Job]:
    return [job("a.py"), job("b.py"), job("c.py", JobStatus.FAILED, "SyntaxError: odd")]


def test_one_job_and_one_outcome_for_each_file_is_as_it_should_be() -> None:
    assert complaints(PATHS, sound(), Counter({"a.py": 1, "b.py": 1})) == []


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"a.py": 1}, "b.py is COMPLETED with 0 results"),
        ({"a.py": 1, "b.py": 2}, "b.py is COMPLETED with 2 results"),
        ({"a.py": 1, "b.py": 1, "c.py": 1}, "c.py is FAILED with 1 results"),
        ({"a.py": 1, "b.py": 1, "x.py": 1}, "x.py has a result"),
    ],
)
def test_a_result_that_is_lost_doubled_or_strange_is_seen(results: dict[str, int], said: str) -> None:
    found = complaints(PATHS, sound(), Counter(results))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLED])
def test_a_job_without_an_outcome_is_seen(status: JobStatus) -> None:
    jobs = [job("a.py"), job("b.py", status), *sound()[2:]]
    assert complaints(PATHS, jobs, Counter({"a.py": 1})) == [f"b.py ended as {status}"]


def test_a_job_that_is_lost_or_doubled_is_seen() -> None:
    results = Counter({"a.py": 1, "b.py": 1})
    assert complaints(PATHS, sound()[1:], results) == ["a.py has 0 jobs"]
    assert complaints(PATHS, [*sound(), job("a.py")], results) == ["a.py has 2 jobs"]


def test_a_failure_without_a_reason_is_seen() -> None:
    jobs = [*sound()[:2], job("c.py", JobStatus.FAILED)]
    assert len(complaints(PATHS, jobs, Counter({"a.py": 1, "b.py": 1}))) == 1
