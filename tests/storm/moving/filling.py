"""A hundred thousand jobs of every kind, as a database has them that has been in use for long."""

from __future__ import annotations

import json
from collections.abc import Iterator

from windlass.constraints import Constraints, to_text
from windlass.outcome import Completed, Failed, Retried
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim, ClaimRequest, NewJob, Settlement, Store

STEP = 1000
HOUR = 3_600_000_000
NEVER = to_text(Constraints(files="/nowhere/at/all/*.csv"))
SHARES = {
    "pending": 30, "later": 15, "dated": 5, "blocked": 10, "completed": 15, "failed": 5, "retried": 5,
    "running": 2, "unique": 5, "behind": 3, "family": 5,
}  # fmt: skip
"""Of a hundred jobs."""


def fill(store: Store, count: int) -> list[str]:
    """Makes so many; what tells each apart."""
    made: list[str] = []
    for kind, share in SHARES.items():
        uids = [f"{kind}-{number}" for number in range(count * share // 100)]
        for first in range(0, len(uids), STEP):
            store.insert(list(_jobs(kind, uids[first : first + STEP])))
        made += uids
    owner = store.register(
        host="gone", pid=1, lock_file="/nowhere", version="1", mode="service", job_keys=None
    )
    for kind in ("completed", "failed", "retried", "running"):
        _run(store, owner, kind)
    return made


def _jobs(kind: str, uids: list[str]) -> Iterator[NewJob]:
    for place, uid in enumerate(uids):
        job = {"key": "work", "payload": json.dumps({"uid": uid}), "tags": json.dumps([kind])}
        match kind:
            case "later":
                yield NewJob(**job, delay_us=HOUR)
            case "dated":
                yield NewJob(**job, run_at_us=4_000_000_000_000_000)
            case "blocked":
                yield NewJob(**job, constraints=NEVER)
            case "unique":
                yield NewJob(**job, unique=uid, delay_us=HOUR)
            case "behind":
                yield NewJob(**job, unique=f"unique-{place}", existing="append")
            case "family":
                yield NewJob(**job, follows=(place - 1,) if place % 5 else ())
            case "completed" | "failed" | "retried" | "running":
                yield NewJob(**job, queue=kind)
            case _:
                yield NewJob(**job)


def _run(store: Store, owner: int, kind: str) -> None:
    def accept(_: Claim) -> bool:
        return True

    while True:
        caps = {lane: STEP for lane in store.lanes() if lane.queue == kind}
        claimed = store.settle_and_claim([], ClaimRequest(owner, STEP, caps, accept)).claimed
        if not claimed:
            return
        if kind == "running":
            continue
        outcomes = {
            "completed": Completed('{"done": true}'),
            "failed": Failed("ValueError: no", "error"),
            "retried": Retried("OSError: again", HOUR),
        }
        settled = [Settlement(one.job_id, one.attempt, one.token, outcomes[kind]) for one in claimed]
        said = [
            LogChunk(one.job_id, one.attempt, one.token, 1, 1, '[[1, "INFO", "storm", "seen"]]')
            for one in claimed[::10]
        ]
        store.settle_and_claim(settled, logs=said)
