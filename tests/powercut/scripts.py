"""Ten pieces of work for the store, each telling beforehand and afterwards what the file may then hold."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from tests.powercut.promises import ABSENT, Promises
from windlass.outcome import AnyOutcome, Completed, Crashed, Failed, Quarantined, Released, Retried, Snoozed
from windlass.store.protocol import Claim, ClaimRequest, Durability, NewJob, Settlement
from windlass.store.sqlite.store import SqliteStore

ORDERS = """
CREATE TABLE IF NOT EXISTS orders (uid TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS effects (uid TEXT PRIMARY KEY);
"""
"""Tables of a program that lives in the same file: an order has its job, an effect its completion."""

PENDING, RUNNING, COMPLETED = frozenset({"PENDING"}), frozenset({"RUNNING"}), frozenset({"COMPLETED"})
FAILED, CANCELLED, GONE = frozenset({"FAILED"}), frozenset({"CANCELLED"}), frozenset({ABSENT})


class StoppedClock:
    """Moves when told."""

    def __init__(self) -> None:
        self._now_us = 1_700_000_000_000_000

    def wall_us(self) -> int:
        return self._now_us

    def boot_us(self) -> int:
        return self._now_us - 1_600_000_000_000_000

    def boot_id(self) -> str:
        return "boot-1"

    def advance(self, seconds: int) -> None:
        self._now_us += seconds * 1_000_000


class Stage:
    """The store, and the steps that scripts are made of."""

    def __init__(self, path: Path, promises: Promises, durability: Durability) -> None:
        self.path = path
        self.promises = promises
        self.durability: Durability = durability
        self.clock = StoppedClock()
        self.store = SqliteStore(path, self.clock)
        self._owner = 0

    @property
    def owner(self) -> int:
        if not self._owner:
            self._owner = self.store.register(
                host="here", pid=1, lock_file="none", version="0", mode="service", job_keys=None
            )
        return self._owner

    def job(self, uid: str, **options: int | str) -> NewJob:
        return NewJob(key="work", payload=json.dumps({"uid": uid, "filler": "x" * 200}), **options)

    def enqueue(self, *uids: str, **options: int | str) -> list[int]:
        self.promises.together(uids)
        with self.promises.doing(dict.fromkeys(uids, PENDING)):
            jobs = [self.job(uid, **options) for uid in uids]
            return [row.job_id for row in self.store.insert(jobs, durability=self.durability)]

    def claim(self, count: int) -> list[Claim]:
        """Claims, not durably: a power cut may give the jobs back."""
        caps = dict.fromkeys(self.store.lanes(), count)
        request = ClaimRequest(self.owner, count, caps, lambda _: True)
        ready = self._uids("status = 'PENDING' AND run_at IS NULL AND hold IS NULL")
        with self.promises.doing(dict.fromkeys(ready, PENDING | RUNNING), durable=False):
            claimed = self.store.settle_and_claim([], request).claimed
        with self.promises.doing(dict.fromkeys(map(uid_of, claimed), RUNNING), durable=False):
            return claimed

    def settle(
        self, outcomes: Iterable[tuple[Claim, AnyOutcome, frozenset[str]]], *, durable: bool = False
    ) -> None:
        listed = list(outcomes)
        with self.promises.doing({uid_of(claim): after for claim, _, after in listed}, durable=durable):
            settlements = [Settlement(c.job_id, c.attempt, c.token, outcome) for c, outcome, _ in listed]
            assert not self.store.settle_and_claim(settlements).stale

    def seal(self) -> None:
        self.store.seal()
        self.promises.sealed()

    def _uids(self, condition: str) -> list[str]:
        with closing(sqlite3.connect(self.path)) as reader:
            return [
                json.loads(row[0])["uid"]
                for row in reader.execute(f"SELECT payload FROM background_service_jobs WHERE {condition}")
            ]


def uid_of(claim: Claim) -> str:
    assert claim.payload is not None
    return json.loads(claim.payload)["uid"]


def enqueue_one(stage: Stage) -> None:
    """From an empty folder: the schema, then jobs one by one, one of them twice under one key."""
    stage.store.migrate()
    for number in range(6):
        stage.enqueue(f"one-{number}")
    for _ in range(2):
        stage.enqueue("same", idempotency_key="same")


def enqueue_many(stage: Stage) -> None:
    """Batches exist whole or not at all."""
    for batch in range(3):
        stage.enqueue(*(f"many-{batch}-{number}" for number in range(25)))


def transactional(stage: Stage) -> None:
    """An order and its job: in the store's transaction, on a program's own connection, and rolled back."""
    for number in range(3):
        uid = f"order-{number}"
        with stage.promises.doing({uid: PENDING}), stage.store.transaction() as connection:
            _order_on(stage, connection, uid)
        with closing(sqlite3.connect(stage.path)) as own:
            if stage.durability == "fast":
                own.execute("PRAGMA synchronous = NORMAL")
            with stage.promises.doing({f"own-{uid}": PENDING}), own:
                _order_on(stage, own, f"own-{uid}")
            with stage.promises.doing({f"undone-{uid}": GONE}):
                _order_on(stage, own, f"undone-{uid}")
                own.rollback()


def _order_on(stage: Stage, connection: sqlite3.Connection, uid: str) -> None:
    connection.execute("INSERT INTO orders VALUES (?)", (uid,))
    stage.store.insert([stage.job(uid)], connection=connection)


def group_commit(stage: Stage) -> None:
    """Six threads at once: they share commits, and each is told only when its own job is safe."""
    gate = threading.Barrier(6)

    def produce(name: int) -> None:
        gate.wait()
        for number in range(4):
            stage.enqueue(f"thread-{name}-{number}")

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def claim_and_settle(stage: Stage) -> None:
    """Ordinary claims and settlements may be lost until they are sealed; then they stay."""
    stage.enqueue(*(f"work-{number}" for number in range(12)))
    for round_ in range(2):
        claimed = stage.claim(6)
        endings = [
            (Completed('"done"'), COMPLETED),
            (Retried("again", 0), PENDING),
            (Failed("no"), FAILED),
            (Snoozed("later", 5_000_000), PENDING),
            (Completed(None), COMPLETED),
            (Crashed("died"), PENDING),
        ]
        stage.settle((claim, *ending) for claim, ending in zip(claimed, endings, strict=False))
        if round_:
            stage.seal()
    held = stage.claim(1)
    stage.settle(((claim, Quarantined("unreadable"), PENDING) for claim in held), durable=True)
    stage.seal()


def manage(stage: Stage) -> None:
    """Cancel, retry and delete are safe when they return."""
    ids = dict(zip("abcd", stage.enqueue(*"abcd"), strict=True))
    with stage.promises.doing({"a": CANCELLED, "b": CANCELLED}):
        stage.store.cancel([ids["a"], ids["b"]])
    with stage.promises.doing({"a": PENDING}):
        stage.store.retry([ids["a"]])
    with stage.promises.doing({"b": GONE, "c": GONE}):
        stage.store.delete([ids["b"], ids["c"]])
    stage.settle((claim, Failed("no"), FAILED) for claim in stage.claim(2))
    with stage.promises.doing({"a": PENDING, "d": PENDING}):
        stage.store.retry([ids["a"], ids["d"]])


def checkpoint(stage: Stage) -> None:
    """The log moves into the database and starts anew, three times; then the last connection deletes it."""
    for cycle in range(3):
        for number in range(4):
            stage.enqueue(f"cycle-{cycle}-{number}")
        stage.settle((claim, Completed(None), COMPLETED) for claim in stage.claim(2))
        assert stage.store.checkpoint(force=True).pages == 0
        stage.enqueue(f"cycle-{cycle}-after")
    stage.store.close()
    stage.enqueue("after-close")
    stage.store.close()


def prune(stage: Stage) -> None:
    """Finished jobs go, in steps; the others stay."""
    uids = [f"old-{number}" for number in range(12)]
    stage.enqueue(*uids, "young", priority=5)
    old = stage.claim(12)
    stage.settle((claim, Completed(None), COMPLETED) for claim in old)
    stage.seal()
    stage.clock.advance(3600)
    with stage.promises.doing(dict.fromkeys(map(uid_of, old), GONE), durable=False):
        while stage.store.prune(older_than_us=60_000_000, keep=1000, limit=5):
            continue
    stage.seal()
    stage.enqueue("last")


def complete_on(stage: Stage) -> None:
    """A handler's writes and its completion are one: both on the disk when the commit returns, or neither."""
    stage.enqueue(*(f"tx-{number}" for number in range(5)))
    connection = stage.store.connect()
    connection.isolation_level = None
    for number, claim in enumerate(stage.claim(5)):
        undone = number == 3
        with stage.promises.doing({uid_of(claim): RUNNING if undone else COMPLETED}, durable=not undone):
            stage.store.begin(connection)
            connection.execute("INSERT INTO effects VALUES (?)", (uid_of(claim),))
            settlement = Settlement(claim.job_id, claim.attempt, claim.token, Completed("1"))
            assert stage.store.complete_on(connection, settlement)
            if undone:
                connection.execute("ROLLBACK")
            else:
                stage.store.commit(connection)
    stage.store.disconnect(connection)


def promote_and_reclaim(stage: Stage) -> None:
    """Delays run out, a dispatcher dies, its jobs go back: nothing of it forgets a job."""
    stage.enqueue(*(f"later-{number}" for number in range(6)), delay_us=10_000_000)
    stage.enqueue("at", run_at_us=stage.clock.wall_us() + 20_000_000)
    stage.clock.advance(15)
    stage.store.promote()
    claimed = stage.claim(4)
    with stage.promises.doing(dict.fromkeys(map(uid_of, claimed), PENDING), durable=False):
        while stage.store.reclaim(stage.owner, limit=2):
            continue
    stage.store.unregister(stage.owner)
    stage.seal()
    stage.clock.advance(15)
    stage.store.promote()
    claimed = stage.claim(8)
    stage.settle((claim, Released("shutdown"), PENDING) for claim in claimed[:2])
    stage.settle((claim, Completed(None), COMPLETED) for claim in claimed[2:])
    stage.seal()


Script = Callable[[Stage], None]
SCRIPTS: dict[str, Script] = {
    script.__name__: script
    for script in (
        enqueue_one,
        enqueue_many,
        transactional,
        group_commit,
        claim_and_settle,
        manage,
        checkpoint,
        prune,
        complete_on,
        promote_and_reclaim,
    )
}
