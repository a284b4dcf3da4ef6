"""Runs the scripts under the recorder, cuts the power everywhere, and judges what is left."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.powercut.disk import CHANCES, MODES, Disk, Image
from tests.powercut.promises import ABSENT, Allowed, Promises, Together
from tests.powercut.recorder import Recorder
from tests.powercut.recording import Recording, quick_folder
from tests.powercut.scripts import ORDERS, SCRIPTS, Stage
from windlass.outcome import Completed
from windlass.store.protocol import ClaimRequest, Durability, NewJob, Settlement
from windlass.store.sqlite.store import SqliteStore

DATABASE = "app.db"
REOPENED_ONE_IN = 25


@dataclass
class Tally:
    """What one script's power cuts left."""

    script: str
    operations: int = 0
    cuts: int = 0
    images: int = 0
    reopened: int = 0
    losses: list[str] = field(default_factory=list[str])
    """An acknowledged job is missing."""
    contradictions: list[str] = field(default_factory=list[str])
    """A job stands where it may not, twice, or without its other half."""
    damages: list[str] = field(default_factory=list[str])
    """SQLite or the store cannot use the file."""


@dataclass
class Expectation:
    """What had been promised up to some operation."""

    allowed: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    together: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def hear(self, note: Allowed | Together) -> None:
        if isinstance(note, Allowed):
            self.allowed[note.uid] = note.states
        else:
            self.together.append(note.uids)


class Replay:
    """One script: recorded once, then cut off at every operation."""

    def __init__(
        self, recorder: Recorder, folder: Path, *, seed: int, rounds: int, heeds_syncs: bool
    ) -> None:
        self._recorder = recorder
        self._folder = folder
        self._rng = random.Random(seed)
        self._rounds = rounds
        self._heeds_syncs = heeds_syncs

    def run(self, name: str, durability: Durability) -> Tally:
        recording = self._record(name, durability)
        tally = Tally(name)
        disk, expectation = Disk(heeds_syncs=self._heeds_syncs), Expectation()
        seen: set[bytes] = set()
        notes = 0
        for op in recording.ops:
            if isinstance(op, Allowed | Together):
                expectation.hear(op)
                notes += 1
                continue
            # The power fails just before this operation, whatever had been told by then.
            self._cut(disk, expectation, tally, seen, notes)
            disk.take(op)
            tally.operations += 1
        self._cut(disk, expectation, tally, seen, notes)
        return tally

    def _cut(self, disk: Disk, expectation: Expectation, tally: Tally, seen: set[bytes], notes: int) -> None:
        tally.cuts += 1
        for mode in (*MODES, *CHANCES * (self._rounds - 1)):
            image = disk.image(mode, self._rng)
            mark = _fingerprint(image, notes)
            if mark not in seen:
                seen.add(mark)
                self._judge(image, expectation, tally, where=f"{tally.script} at {tally.operations} ({mode})")

    def _record(self, name: str, durability: Durability) -> Recording:
        home = self._folder / f"{name}-{durability}"
        home.mkdir()
        if name != "enqueue_one":
            prepared = SqliteStore(home / DATABASE)
            prepared.migrate()
            prepared.close()
            with closing(sqlite3.connect(home / DATABASE)) as own:
                own.executescript(ORDERS)
        recording = Recording(home)
        stage = Stage(home / DATABASE, Promises(recording), durability)
        self._recorder.recording = recording
        try:
            SCRIPTS[name](stage)
        finally:
            self._recorder.recording = None
            stage.store.close()
        return recording

    def _judge(self, image: Image, expectation: Expectation, tally: Tally, *, where: str) -> None:
        tally.images += 1
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            for file, content in image.items():
                (Path(place) / file).write_bytes(content)
            path = Path(place) / DATABASE
            if path.exists():
                try:
                    found = _rows(path)
                except sqlite3.DatabaseError as error:
                    tally.damages.append(f"{where}: {error}")
                    return
            else:
                found = []
            self._compare(found, expectation, tally, where)
            if path.exists():
                _halves(path, tally, where)
            if tally.images % REOPENED_ONE_IN == 0:
                tally.reopened += 1
                _carry_on(path, expectation, tally, where)

    def _compare(
        self, found: list[tuple[str, str]], expectation: Expectation, tally: Tally, where: str
    ) -> None:
        states = dict(found)
        for uid, count in Counter(uid for uid, _ in found).items():
            if count > 1:
                tally.contradictions.append(f"{where}: {uid} exists {count} times")
        for uid in states.keys() - expectation.allowed.keys():
            tally.contradictions.append(f"{where}: {uid} exists and nobody has enqueued it")
        for uid, allowed in expectation.allowed.items():
            state = states.get(uid, ABSENT)
            if state in allowed:
                continue
            said = f"{where}: {uid} is {state}, acknowledged as {'/'.join(sorted(allowed))}"
            (tally.losses if state == ABSENT else tally.contradictions).append(said)
        for uids in expectation.together:
            # Once one of them is acknowledged, or moves on, each answers for itself.
            under_way = all(expectation.allowed.get(uid) == {ABSENT, "PENDING"} for uid in uids)
            present = sum(uid in states for uid in uids)
            if under_way and present not in (0, len(uids)):
                tally.contradictions.append(f"{where}: {present} of the {len(uids)} jobs of one call exist")


def _rows(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{path}?vfs=unix", uri=True)) as connection:
        told = "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
        if told != "ok":
            raise sqlite3.DatabaseError(told)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "background_service_jobs" not in tables:
            if tables:
                raise sqlite3.DatabaseError(f"half a schema: {sorted(tables)}")
            return []
        return [
            (json.loads(payload)["uid"], status)
            for payload, status in connection.execute("SELECT payload, status FROM background_service_jobs")
        ]


def _halves(path: Path, tally: Tally, where: str) -> None:
    """An order has its job and an effect its completion."""
    with closing(sqlite3.connect(f"file:{path}?vfs=unix", uri=True)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"orders", "background_service_jobs"} <= tables:
            return
        jobs = dict(connection.execute("SELECT payload ->> 'uid', status FROM background_service_jobs"))
        orders = {row[0] for row in connection.execute("SELECT uid FROM orders")}
        effects = {row[0] for row in connection.execute("SELECT uid FROM effects")}
    for uid in orders ^ {uid for uid in jobs if "order-" in uid}:
        tally.contradictions.append(
            f"{where}: of {uid} only {'the order' if uid in orders else 'the job'} exists"
        )
    completed = {uid for uid, status in jobs.items() if uid.startswith("tx-") and status == "COMPLETED"}
    for uid in effects ^ completed:
        tally.contradictions.append(f"{where}: {uid} is {jobs.get(uid)}, its effect is {uid in effects}")


def _carry_on(path: Path, expectation: Expectation, tally: Tally, where: str) -> None:
    """The store itself opens what is left, takes a new job, and runs whatever waits."""
    store = SqliteStore(path)
    try:
        store.migrate()
        store.quick_check()
        [new] = store.insert([NewJob(key="work", payload='{"uid": "new"}')])
        owner = store.register(
            host="here", pid=2, lock_file="none", version="0", mode="service", job_keys=None
        )
        for dead in store.dispatchers():
            while dead.id != owner and store.reclaim(dead.id):
                continue
        request = ClaimRequest(owner, 1000, dict.fromkeys(store.lanes(), 1000), lambda _: True)
        claimed = store.settle_and_claim([], request).claimed
        done = [Settlement(claim.job_id, claim.attempt, claim.token, Completed(None)) for claim in claimed]
        turn = store.settle_and_claim(done)
        if turn.stale or turn.unsettled or new.job_id not in {claim.job_id for claim in claimed}:
            tally.damages.append(f"{where}: the store does not go on: {turn}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the store could not go on
        tally.damages.append(f"{where}: the store cannot go on: {error!r}")
    finally:
        store.close()


def _fingerprint(image: Image, notes: int) -> bytes:
    digest = hashlib.blake2b(str(notes).encode(), digest_size=16)
    for name in sorted(image):
        digest.update(name.encode())
        digest.update(len(image[name]).to_bytes(8, "big"))
        digest.update(image[name])
    return digest.digest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut.replay")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=sorted(SCRIPTS))
    parser.add_argument("--durability", choices=["full", "fast"], default="full")
    parser.add_argument("--rounds", type=int, default=1, help="how often chance is asked at each cut")
    parser.add_argument(
        "--lying-disk", action="store_true", help="a disk that confirms syncs and does not sync"
    )
    arguments = parser.parse_args()
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="windlass-powercut-", dir=quick_folder()) as folder:
        replay = Replay(
            recorder,
            Path(folder).resolve(),
            seed=arguments.seed,
            rounds=arguments.rounds,
            heeds_syncs=not arguments.lying_disk,
        )
        for name in arguments.only or SCRIPTS:
            tally = replay.run(name, arguments.durability)
            print(json.dumps(vars(tally)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
