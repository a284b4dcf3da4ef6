"""Programs that race for one unique key, each in a process of its own."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.store.children import WITH_STORE, child
from tests.store.conformance.steps import claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.protocol import JobFilter, NewJob
from windlass.store.sqlite.store import SqliteStore

EACH = 40
PROGRAM = (
    WITH_STORE
    + """
import json
from windlass.store.protocol import NewJob
say("ready")
existing = hear()
told = [store.insert([NewJob(key="work", unique="u", existing=existing)])[0] for _ in range(EACH)]
say(json.dumps([[one.job_id, one.created, one.disposition] for one in told]))
""".replace("EACH", str(EACH))
)


def race(path: Path, *policies: str) -> list[list[tuple[int, bool, str]]]:
    """What each process was told, one for each policy, all at once."""
    with ExitStack() as stack:
        rivals = [stack.enter_context(child(path, PROGRAM)) for _ in policies]
        for rival in rivals:
            assert rival.heard() == "ready"
        for rival, policy in zip(rivals, policies, strict=True):
            rival.tell(policy)
        return [[(one[0], one[1], one[2]) for one in json.loads(rival.heard())] for rival in rivals]


def test_two_processes_that_append_make_one_line_in_which_all_run(store: SqliteStore, path: Path) -> None:
    told = [one for rival in race(path, "append", "append") for one in rival]
    assert sorted(disposition for _, _, disposition in told) == ["appended"] * (2 * EACH - 1) + ["created"]
    assert len({job_id for job_id, _, _ in told}) == 2 * EACH
    ran: list[int] = []
    while claimed := claim(store):
        assert len(claimed) == 1
        ran.append(claimed[0].job_id)
        settle(store, claimed[0], Completed())
    assert ran == sorted(job_id for job_id, _, _ in told)


def test_of_two_processes_that_replace_the_last_job_is_left(store: SqliteStore, path: Path) -> None:
    told = [one for rival in race(path, "replace", "replace") for one in rival]
    assert sorted(disposition for _, _, disposition in told) == ["created"] + ["replaced"] * (2 * EACH - 1)
    left = store.select(JobFilter(status=(JobStatus.PENDING,)))
    assert [job.id for job in left] == [max(job_id for job_id, _, _ in told)]
    assert store.counts()[JobStatus.CANCELLED] == 2 * EACH - 1


def test_while_one_runs_replacements_and_appended_ones_race_and_nothing_is_lost(
    store: SqliteStore, path: Path
) -> None:
    first = store.insert([NewJob(key="work", unique="u")])[0].job_id
    (one,) = claim(store)
    told = [job for rival in race(path, "replace", "append") for job in rival]
    assert all(created for _, created, _ in told)
    assert store.cancellations(1) == {first: "replaced"}
    settle(store, one, Completed())
    ran: list[int] = []
    while claimed := claim(store):
        assert len(claimed) == 1
        ran.append(claimed[0].job_id)
        settle(store, claimed[0], Completed())
    assert ran == sorted(ran)
    for job_id, _, _ in told:
        wanted = JobStatus.COMPLETED if job_id in ran else JobStatus.CANCELLED
        assert the(store, job_id).status is wanted
    # What came after the last replacement was appended to it, and all of that ran.
    last = max(job_id for job_id, _, disposition in told if disposition == "replaced")
    assert ran == [last, *sorted(job_id for job_id, _, _ in told if job_id > last)]


@pytest.mark.parametrize("policy", ["keep", "update"])
def test_two_processes_that_find_one_make_one(store: SqliteStore, path: Path, policy: str) -> None:
    """J2."""
    told = [one for rival in race(path, policy, policy) for one in rival]
    assert sum(created for _, created, _ in told) == 1
    assert len({job_id for job_id, _, _ in told}) == 1
    assert sum(store.counts().values()) == 1
