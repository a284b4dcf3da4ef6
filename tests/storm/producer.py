"""A producer: enqueues in every way there is until its standard input ends, or it is killed."""

from __future__ import annotations

import argparse
import os
import random
import select
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.storm.app import BASE, FOLDER, app, payload, payload_text, work, work_async
from tests.storm.bases import ORDER
from tests.storm.journal import Journal, entries
from windlass import OutcomeUnknown, StoreUnavailable

BACKLOG_MOST = 200
MS = [0, 0, 0, 0, 2, 5, 10, 20, 50, 120]
if "STORM_WORK_MS" in os.environ:
    MS = [int(os.environ["STORM_WORK_MS"])]
PLANS = ("ok",) * 10 + ("tx",) * 4 + ("family", "retry", "fail")


class Producer:
    """Tries, and says what it was told."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._rng = random.Random(seed)
        self._log = Journal(FOLDER / f"producer-{name}.log")
        self._count = 0
        self._recent: deque[tuple[str, str]] = deque(maxlen=50)

    def run(self) -> None:
        ways = (self.single, self.single, self.many, self.transaction, self.foreign)
        while not self.told_to_stop(self._rng.uniform(0, 0.02)):
            backlog = self.backlog()
            if backlog is not None and backlog <= BACKLOG_MOST:
                self._rng.choice(ways)()
            elif self._recent:
                self.again()

    def finish(self, predecessor: Path) -> None:
        """Tries again, under the same idempotency keys, what a killed producer never learned the end of."""
        open_tries: dict[str, list[str]] = {}
        for line in entries(predecessor):
            if line["what"] == "try" and line["kind"] == "single":
                [[uid, plan]] = line["jobs"]
                open_tries[uid] = [uid, plan]
            elif line["what"] == "ack":
                for uid, _ in line["jobs"]:
                    open_tries.pop(uid, None)
        for uid, plan in open_tries.values():
            self.attempt("single", [(uid, plan)], partial(self._enqueue, uid, plan))

    def told_to_stop(self, wait_s: float) -> bool:
        readable, _, _ = select.select([sys.stdin], [], [], wait_s)
        return bool(readable)

    def backlog(self) -> int | None:
        """How many jobs wait; None while the database cannot be asked."""
        try:
            return BASE.query("SELECT count(*) FROM background_service_jobs WHERE status = 'PENDING'")
        except BASE.failures:
            return None

    # ── ways to enqueue ──────────────────────────────────────────────────────────────────────────
    def single(self) -> None:
        self._recent.append(self.new())
        uid, plan = self._recent[-1]
        self.attempt("single", [(uid, plan)], partial(self._enqueue, uid, plan))

    def again(self) -> None:
        """Under the same idempotency key: the same job, and no second one."""
        uid, plan = self._rng.choice(self._recent)
        self.attempt("single", [(uid, plan)], partial(self._enqueue, uid, plan))

    def _enqueue(self, uid: str, plan: str) -> list[int]:
        # By the uid alone: whoever tries again must choose the same, as idempotency keys belong to a job key.
        keyed = work_async if uid.endswith(("3", "6", "9")) and plan not in ("tx", "family") else work
        using = keyed.using(idempotency_key=uid, priority=self._rng.randint(0, 3))
        return [using.enqueue(**self.fields(uid, plan)).id]

    def many(self) -> None:
        jobs = [self.new() for _ in range(self._rng.randint(2, 12))]
        payloads = [self.fields(*job) for job in jobs]
        self.attempt(
            "many", jobs, lambda: [job.id for job in work.enqueue_many(payloads)], batch=f"{jobs[0][0]}…"
        )

    def transaction(self) -> None:
        uid, plan = self.new()
        undone = self._rng.random() < 0.25
        on_own = self._rng.random() < 0.5
        self._log.write("try", kind="transaction", jobs=[(uid, plan)])
        try:
            job_id = self._on_own(uid, plan, undone) if on_own else self._on_ours(uid, plan, undone)
        except _UndoneError:
            self._log.write("rollback", uids=[uid])
        except (StoreUnavailable, OutcomeUnknown, *BASE.failures) as error:
            self._log.write("unknown", uids=[uid], error=repr(error))
        else:
            self._log.write("ack", jobs=[(uid, job_id)])

    def _on_ours(self, uid: str, plan: str, undone: bool) -> int:
        with app.transaction() as connection:
            return self._order(connection, uid, plan, undone)

    def _on_own(self, uid: str, plan: str, undone: bool) -> int:
        with BASE.transaction() as connection:
            return self._order(connection, uid, plan, undone)

    def _order(self, connection: Any, uid: str, plan: str, undone: bool) -> int:
        connection.execute(BASE.spelled(ORDER), (uid,))
        job = work.using(connection=connection).enqueue(**self.fields(uid, plan))
        if undone:
            raise _UndoneError
        return job.id

    def foreign(self) -> None:
        """As a program that has never heard of Windlass."""
        uid, plan = self.new()
        self.attempt("foreign", [(uid, plan)], partial(self._insert, uid, plan))

    def _insert(self, uid: str, plan: str) -> list[int]:
        text = payload_text(**self.fields(uid, plan))
        return [BASE.foreign(("storm_work", text, self._rng.randint(0, 3), 40))]

    # ── telling ──────────────────────────────────────────────────────────────────────────────────
    def new(self) -> tuple[str, str]:
        self._count += 1
        return f"{self._name}-{self._count}", self._rng.choice(PLANS)

    def fields(self, uid: str, plan: str) -> dict[str, Any]:
        return payload(uid, plan, self._rng.choice(MS))

    def attempt(
        self,
        kind: str,
        jobs: list[tuple[str, str]],
        enqueue: Callable[[], list[int]],
        *,
        batch: str | None = None,
    ) -> None:
        self._log.write("try", kind=kind, jobs=jobs, batch=batch)
        uids = [uid for uid, _ in jobs]
        try:
            ids = enqueue()
        except StoreUnavailable as error:
            self._log.write("refused", uids=uids, error=repr(error))
        except OutcomeUnknown as error:
            self._log.write("unknown", uids=uids, error=repr(error))
        except BASE.failures as error:
            if kind != "foreign":
                raise  # a driver's error is not what Windlass promises to raise
            self._log.write("unknown", uids=uids, error=repr(error))
        else:
            self._log.write("ack", jobs=list(zip(uids, ids, strict=True)))


class _UndoneError(Exception):
    """The producer changed its mind."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.storm.producer")
    parser.add_argument("name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--after", type=Path, action="append", default=[], help="a killed producer's log")
    parser.add_argument("--only-finish", action="store_true")
    arguments = parser.parse_args()
    producer = Producer(arguments.name, arguments.seed)
    for log in arguments.after:
        producer.finish(log)
    if not arguments.only_finish:
        producer.run()


if __name__ == "__main__":
    main()
