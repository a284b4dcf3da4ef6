"""The steps that the suite's claims are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass.job import Job
from windlass.outcome import AnyOutcome
from windlass.store.protocol import Claim, ClaimRequest, Lane, NewJob, Settlement, Store

SECOND = 1_000_000


def register(store: Store) -> int:
    return store.register(
        host="here", pid=1, lock_file="/nowhere", version="1", mode="service", job_keys=None
    )


def add(store: Store, key: str = "work", **fields: Any) -> int:
    return store.insert([NewJob(key=key, **fields)])[0].job_id


def the(store: Store, job_id: int) -> Job:
    job = store.get(job_id)
    assert job is not None
    return job


def claim(
    store: Store,
    owner: int = 1,
    limit: int = 10,
    lanes: Iterable[Lane] | None = None,
    limits: dict[str, int] | None = None,
    cap: int = 1000,
) -> list[Claim]:
    for queue, most in (limits or {}).items():
        store.set_queue(queue, concurrency=most)
    caps = dict.fromkeys(store.lanes() if lanes is None else lanes, cap)
    return store.settle_and_claim([], ClaimRequest(owner, limit, caps, accept_any)).claimed


def accept_any(_: Claim) -> bool:
    return True


def settlement(one: Claim, outcome: AnyOutcome) -> Settlement:
    return Settlement(one.job_id, one.attempt, one.token, outcome)


def settle(store: Store, one: Claim, outcome: AnyOutcome) -> bool:
    turn = store.settle_and_claim([settlement(one, outcome)])
    assert not turn.unsettled
    return not turn.stale
