"""A disk that fails for a while: what the store says must be true, and work goes on when it is mended."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw

from tests.powercut.disk import Delete, FailedSync, ForgetfulDisk, Image, Open, Sync
from tests.powercut.promises import ABSENT, Allowed, Promises, Together
from tests.powercut.recorder import Recorder
from tests.powercut.recording import Recording, quick_folder
from tests.powercut.scripts import CANCELLED, COMPLETED, ORDERS, Stage, transactional
from windlass.errors import OutcomeUnknown, StoreError, StoreUnavailable
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.protocol import JobFilter
from windlass.store.sqlite.store import SqliteStore

DATABASE = "app.db"
FAULTS: dict[str, tuple[frozenset[str], Callable[[], Exception]]] = {
    "input/output error on write": (frozenset({"write", "truncate"}), lambda: apsw.IOError("planted")),
    "input/output error on sync": (frozenset({"sync"}), lambda: apsw.IOError("planted")),
    "disk full": (frozenset({"write"}), lambda: apsw.FullError("planted")),
}


class Fault:
    """Fails the operations of its kinds from the ``first`` on, ``length`` of them."""

    def __init__(self, name: str, first: int, length: int) -> None:
        self._kinds, self._error = FAULTS[name]
        self._span = range(first, first + length)
        self.met = 0

    def __call__(self, operation: str) -> None:
        if operation in self._kinds:
            self.met += 1
            if self.met - 1 in self._span:
                raise self._error()


class Voyage:
    """A script that takes each error as it comes, notes what it was told, and goes on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.said: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        stage = self._stage
        for number in range(3):
            self._step(lambda n=number: stage.enqueue(f"one-{n}"))
            self._step(lambda n=number: stage.enqueue(*(f"many-{n}-{i}" for i in range(5))))
        self._step(lambda: transactional(stage))
        self._step(self._claim_and_complete)
        self._step(self._cancel)
        self._step(lambda: stage.store.checkpoint(force=True))
        self._step(stage.seal)
        self._step(lambda: stage.enqueue("last"))

    def _claim_and_complete(self) -> None:
        stage = self._stage
        stage.settle((claim, Completed(None), COMPLETED) for claim in stage.claim(4))

    def _cancel(self) -> None:
        for job in self._stage.store.select(JobFilter(status=(JobStatus.PENDING,)), order="id", limit=1):
            assert job.payload is not None
            with self._stage.promises.doing({job.payload["uid"]: CANCELLED}):
                self._stage.store.cancel([job.id])

    def _step(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (StoreUnavailable, OutcomeUnknown) as error:
            self.said[type(error).__name__] += 1
        except sqlite3.Error as error:
            # The script's own connection of a program hears SQLite itself.
            self.said[type(error).__name__] += 1
        except StoreError as error:
            self.wrong.append(f"{type(error).__name__}: {error}")


def sail(
    recorder: Recorder, folder: Path, name: str, first: int, length: int, *, forgetful: bool
) -> tuple[Voyage, int, list[str]]:
    """One voyage with one fault in it; how many operations it might have hit, and what was said wrongly."""
    home = Path(tempfile.mkdtemp(dir=folder))
    prepared = SqliteStore(home / DATABASE)
    prepared.migrate()
    prepared.close()
    with closing(sqlite3.connect(home / DATABASE)) as own:
        own.executescript(ORDERS)
    recorder.recording = recording = Recording(home)
    stage = Stage(home / DATABASE, Promises(recording), "full")
    voyage, fault = Voyage(stage), Fault(name, first, length)
    recorder.fault = fault
    try:
        voyage.run()
        recorder.fault = None
        wrong = [*voyage.wrong, *_calm(stage)]
        if forgetful:
            wrong += _forgotten(recording, home)
    except Exception as error:  # noqa: BLE001 - whatever it is, the store should have said it otherwise
        wrong = [*voyage.wrong, f"unexpected {error!r}"]
    finally:
        recorder.fault = recorder.recording = None
        stage.store.close()
    return voyage, fault.met, [f"{name}, {length} from operation {first}: {text}" for text in wrong]


def _calm(stage: Stage) -> list[str]:
    """The disk is well again: so is the store, and all it has said is true."""
    stage.enqueue("calm")
    wrong = list(_untrue(stage))
    claimed = stage.claim(1000)
    stage.settle((claim, Completed(None), COMPLETED) for claim in claimed)
    if "calm" not in {json.loads(claim.payload or "{}").get("uid") for claim in claimed}:
        wrong.append("a job enqueued afterwards was not claimed")
    stage.seal()
    stage.store.checkpoint(force=True)
    return [*wrong, *_untrue(stage)]


def _forgotten(recording: Recording, home: Path) -> Iterator[str]:
    """Had the power failed later, too, on a system that forgets what a failed sync should have written."""
    disk, allowed = ForgetfulDisk(), dict[str, frozenset[str]]()
    failed = False
    for op in recording.ops:
        if isinstance(op, Allowed):
            allowed[op.uid] = op.states
            continue
        if isinstance(op, Together):
            continue
        failed = failed or isinstance(op, FailedSync)
        if failed and isinstance(op, Sync | Open | Delete):
            yield from _lost(disk.image(), allowed, home)
        disk.take(op)
    if failed:
        yield from _lost(disk.image(), allowed, home)


def _lost(image: Image, allowed: dict[str, frozenset[str]], home: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=home) as place:
        for file, content in image.items():
            (Path(place) / file).write_bytes(content)
        with closing(sqlite3.connect(f"file:{place}/{DATABASE}?vfs=unix", uri=True)) as reader:
            told = "; ".join(row[0] for row in reader.execute("PRAGMA integrity_check"))
            rows = reader.execute("SELECT payload ->> 'uid', status FROM background_service_jobs").fetchall()
    if told != "ok":
        yield f"forgotten: {told}"
    found = dict(rows)
    for uid, states in allowed.items():
        if found.get(uid, ABSENT) not in states:
            said = "/".join(sorted(states))
            yield f"forgotten: {uid} is {found.get(uid, ABSENT)}, and was said to be {said}"


def _untrue(stage: Stage) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{stage.path}?vfs=unix", uri=True)) as reader:
        told = "; ".join(row[0] for row in reader.execute("PRAGMA integrity_check"))
        if told != "ok":
            yield f"damaged: {told}"
        rows = reader.execute("SELECT payload ->> 'uid', status FROM background_service_jobs").fetchall()
        orders = {row[0] for row in reader.execute("SELECT uid FROM orders")}
    found = dict(rows)
    if len(found) != len(rows):
        yield "a job exists twice"
    for uid, allowed in stage.promises.now.items():
        state = found.get(uid, ABSENT)
        if state not in allowed:
            yield f"{uid} is {state}, and was said to be {'/'.join(sorted(allowed))}"
    for uid in orders ^ {uid for uid in found if "order-" in uid}:
        yield f"of {uid} only {'the order' if uid in orders else 'the job'} exists"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut.faults")
    parser.add_argument("--every", type=int, default=1, help="take only each so-many-th operation")
    parser.add_argument("--forgetful", action="store_true", help="cut the power afterwards, too")
    arguments = parser.parse_args()
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="windlass-faults-", dir=quick_folder()) as folder:
        for name in FAULTS:
            for length in (1, 3, 30):
                voyages, errors, wrong = 0, Counter[str](), list[str]()
                first = 0
                met = 1
                while met > first:
                    voyage, met, found = sail(
                        recorder, Path(folder).resolve(), name, first, length, forgetful=arguments.forgetful
                    )
                    voyages += 1
                    errors += voyage.said
                    wrong += found
                    first += arguments.every
                told = {"fault": name, "length": length, "voyages": voyages, "errors": errors, "wrong": wrong}
                print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
